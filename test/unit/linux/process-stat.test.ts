import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readProcessStat, tryReadProcessStat } from '../../../lib/linux/process-stat.js';

const proc = mkdtempSync(join(tmpdir(), 'libcriu-proc-'));
afterAll(() => rmSync(proc, { recursive: true, force: true }));

const fields =
  'S 1 7 7 34816 7 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 3';

function writeStat(pid: number, name: Buffer): void {
  mkdirSync(join(proc, String(pid)));
  const text = [Buffer.from(`${pid} (`), name, Buffer.from(`) ${fields}\n`)];
  writeFileSync(join(proc, String(pid), 'stat'), Buffer.concat(text));
}

test('readProcessStat counts the fields behind a name of blanks, parentheses and any bytes', () => {
  writeStat(7, Buffer.from([0x29, 0x20, 0x52, 0x20, 0xff, 0x28]));
  expect(readProcessStat(7, proc)).toEqual({
    name: ') R \xff(',
    state: 'S',
    isDead: false,
    parent: 1,
    session: 7,
    terminal: 34816,
    flags: 4194560,
    startTime: 4711,
    policy: 3,
  });
});

test('readProcessStat says of this process what Node says', () => {
  expect(readProcessStat(process.pid)).toMatchObject({ parent: process.ppid, isDead: false });
});

test('readProcessStat gives undefined when there is no such process', () => {
  expect(readProcessStat(8, proc)).toBeUndefined();
  expect(readProcessStat(0x7fffffff)).toBeUndefined();
});

test('a process that cannot be looked at is not taken for one that has ended', () => {
  mkdirSync(join(proc, '9/stat'), { recursive: true });
  expect(() => readProcessStat(9, proc)).toThrow('EISDIR');
});

test('tryReadProcessStat does not throw', () => {
  expect(tryReadProcessStat(0x7fffffff)).toBeUndefined();
  expect(tryReadProcessStat(process.pid)?.parent).toBe(process.ppid);
});
