import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { decode } from '../../../lib/images/codec/decode.js';
import { writeCore } from '../../../lib/inspect/core-file.js';
import type { ProcessMemory } from '../../../lib/inspect/memory.js';
import { dumpMemory, searchMemory } from '../../../lib/inspect/read-memory.js';
import { libcriu } from '../../helpers/command.js';
import { MadeImages, memoryStart, pageSize } from '../../helpers/criu/made-images.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
let directory = '';
beforeEach(async () => {
  directory = await scope.directory();
});
const path = (name: string): string => join(directory, name);

/** A page of dots with a text at its beginning, or at its end. */
function page(begin: string, end = ''): Buffer {
  const content = Buffer.alloc(pageSize, '.');
  content.write(begin, 0, 'latin1');
  content.write(end, pageSize - end.length, 'latin1');
  return content;
}

const address = (pages: number, offset = 0): number => memoryStart + pages * pageSize + offset;

/** Memory in three directories: pages 0 to 2 in the first, 3 in the second, 4 in the last. */
function chain(): void {
  new MadeImages(path('first')).preDump({
    pid: 7,
    memory: [{ from: 0, pages: [page('', 'sec'), page('ret'), page('old')] }],
  });
  new MadeImages(path('second')).parent('../first').preDump({
    pid: 7,
    memory: [
      { from: 1, pages: { count: 1, place: 'parent' } },
      { from: 2, pages: [page('ret')] },
    ],
  });
  new MadeImages(path('last')).parent('../second').dump({
    pid: 7,
    memory: [
      { from: 0, pages: [page('', 'sec')] },
      { from: 1, pages: { count: 2, place: 'parent' } },
      { from: 6, pages: [page('', 'end')] },
    ],
  });
}

const found = async (what: string | Uint8Array, from = 'last'): Promise<number[]> =>
  (await searchMemory(path(from), 7, what)).map((match) => match.address);

describe('a text is found', () => {
  beforeEach(chain);

  test('where it is in these images and in a parent', async () => {
    expect(await found('secret')).toEqual([address(0, pageSize - 3)]);
    expect(await found('ret')).toEqual([address(1), address(2)]);
    expect(await found('old')).toEqual([]);
  });

  test('before and behind memory that was never written', async () => {
    expect(await found('end\0\0')).toEqual([address(6, pageSize - 3)]);
    expect(await found(Buffer.from('\0\0.'))).toEqual([address(6) - 2]);
    // What is not in one place with it is no part of it.
    expect(await found('ret.end')).toEqual([]);
  });

  test('in an archive, as often as it is there, and no more than are wanted', async () => {
    new MadeImages(path('alone')).dump({
      pid: 7,
      memory: [{ from: 0, pages: [page('aaaa'), page('aa')] }],
    });
    await runOk('tar', ['-C', path('alone'), '-czf', path('alone.tar.gz'), '.']);
    expect(await found('aa', 'alone.tar.gz')).toEqual([
      address(0),
      address(0, 1),
      address(0, 2),
      address(1),
    ]);
    expect(await searchMemory(path('alone'), 7, 'aa', { maxMatches: 2 })).toHaveLength(2);
  });

  test('with what follows it, of which nothing harms a terminal', async () => {
    new MadeImages(path('alone')).dump({
      pid: 7,
      memory: [{ from: 0, pages: [page('key=\u001b[2J')] }],
    });
    expect(await searchMemory(path('alone'), 7, 'key')).toEqual([
      {
        address: address(0),
        kind: 'anonymous',
        file: undefined,
        text: `key=.[2J${'.'.repeat(56)}`,
      },
    ]);
    const { stdout } = await libcriu(['memory', '--pid', '7', '--search', 'key', path('alone')]);
    expect(stdout).toMatch(/^0x000000010000 {2}anonymous {2}key=\.\[2J\.+\n$/);
  });
});

test('memory that processes share is read from where it is saved', async () => {
  const images = new MadeImages(path('images'))
    .dump({ pid: 7, memory: [] })
    .pagemap('pagemap-shmem-9.img', 99, [{ from: 1, pages: [page('shared')] }], 0);
  const [memory] = decode(readFileSync(path('images/mm-7.img'))).entries;
  const vma = { pgoff: pageSize, shmid: 9, prot: 3, flags: 0x21, status: (1 << 8) | 1, fd: -1 };
  const vmas = [{ start: memoryStart, end: memoryStart + pageSize, ...vma }];
  images.write('mm-7.img', 'MM', [{ ...memory, vmas }]);
  expect(await searchMemory(path('images'), 7, 'shared')).toMatchObject([
    { address: memoryStart, kind: 'shared' },
  ]);
});

describe('memory as a core file', () => {
  /** The segments of a core file: their addresses, sizes and content. */
  function segmentsIn(file: Buffer): { start: number; size: number; content: Buffer }[] {
    return Array.from({ length: file.readUInt16LE(56) }, (_, at) => {
      const header = file.subarray(64 + at * 56);
      const offset = Number(header.readBigUInt64LE(8));
      const size = Number(header.readBigUInt64LE(32));
      return {
        start: Number(header.readBigUInt64LE(16)),
        size: Number(header.readBigUInt64LE(40)),
        content: file.subarray(offset, offset + size),
      };
    });
  }

  test('has what the images and the parents have, at its addresses', async () => {
    chain();
    const to = path('core');
    expect(await dumpMemory(path('last'), 7, to)).toEqual({
      path: to,
      segments: 4,
      bytes: 4 * pageSize,
    });
    expect(statSync(to).mode & 0o777).toBe(0o600);
    const [first, gap, last, rest] = segmentsIn(readFileSync(to));
    expect(first).toEqual({
      start: memoryStart,
      size: 3 * pageSize,
      content: Buffer.concat([page('', 'sec'), page('ret'), page('ret')]),
    });
    expect(gap).toMatchObject({ start: address(3), size: 3 * pageSize, content: Buffer.alloc(0) });
    expect(last).toMatchObject({ start: address(6), content: page('', 'end') });
    expect(rest).toMatchObject({ start: address(7), size: 9 * pageSize });
    expect(await runOk('readelf', ['-hl', to])).toMatch(
      /CORE.*X86-64.*LOAD +0x0+1000 0x0+10000 .*0x0+3000 +RW /s,
    );
  });

  test('may have more parts than its header can count', async () => {
    const count = 70_000;
    const memory = {
      machine: 'AARCH64',
      async *placed() {
        for (let at = 0; at < count; at++) {
          const start = memoryStart + 2 * at * pageSize;
          const mapping = { start, end: start + pageSize, protection: 1 };
          yield { mapping, start, end: start + pageSize, content: undefined };
        }
      },
      async *read() {},
    } as unknown as ProcessMemory;
    const to = new PassThrough();
    const [content] = await Promise.all([buffer(to), writeCore(memory, to)]);
    writeFileSync(path('core'), content);
    expect(await runOk('readelf', ['-h', path('core')])).toMatch(/65535 \(70000\)/);
  });

  test('is not written over a file unless that is wanted', async () => {
    chain();
    writeFileSync(path('core'), 'precious');
    const error = await rejection(dumpMemory(path('last'), 7, path('core')));
    expect(error).toMatchObject({ code: 'ERR_ARCHIVE_WRITE', operation: 'dumpMemory' });
    expect(readFileSync(path('core'), 'utf8')).toBe('precious');
    const args = ['memory', '--pid', '7', '--dump', path('core'), '--existing', 'replace'];
    expect(await libcriu([...args, path('last')])).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(path('core')).toString('latin1', 1, 4)).toBe('ELF');
  });
});

describe('what is not there is refused with one sentence', () => {
  beforeEach(chain);

  test.each([
    [8, 'a', /Expected the pid of a process in the checkpoint \(7\) for pid but received 8/],
    ['7', 'a', /for pid but received '7'/],
    [7, '', /Expected up to 4096 bytes that are not all zero for what/],
    [7, Buffer.alloc(5), /not all zero/],
    [7, 5, /Expected a text or a Buffer for what/],
  ])('%j and %j', async (pid, what, message) => {
    const error = await rejection(searchMemory(path('last'), pid as number, what as string));
    expect(error.message).toMatch(message);
  });

  test.each([
    [['--pid', '7'], /Expected one of --search TEXT and --dump FILE/],
    [
      ['--pid', '7', '--search', 'a', '--dump', 'b'],
      /Expected one of --search TEXT and --dump FILE/,
    ],
    [['--pid', 'x', '--search', 'a'], /Expected a number for --pid/],
    [['--search', 'a'], /Expected --pid PID for memory/],
    [['--pid', '7', '--search', ''], /for --search but received ''/],
    [['--pid', '9', '--search', 'a'], /for --pid but received 9/],
  ])('on the command line: %j', async (flags, message) => {
    const { status, stderr } = await libcriu(['memory', ...flags, path('last')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});
