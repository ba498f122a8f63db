import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rowsIn } from '../../../../lib/container/engines/sqlite.js';

// Made by SQLite itself: 12 rows of up to 5 kB on pages of 1 kB. In the log one is deleted, one is renamed
// and two are changed, the last of them without a commit.
const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../../fixtures/podman/${name}`, import.meta.url));
const database = fixture('db.sql');
const log = fixture('db.sql-wal');

interface Row {
  name: string;
  restart_policy: string;
}

function objectsIn(...files: Parameters<typeof rowsIn>): Row[] {
  const texts = Array.from(rowsIn(...files), (row) => row.toString('latin1'));
  const objects = texts.map((text) => /\{"spec":.*\}$/.exec(text)?.[0]);
  return objects.filter((one) => one !== undefined).map((one) => JSON.parse(one) as Row);
}

const names = (rows: readonly Row[]): string[] => rows.map(({ name }) => name).sort();
const all = Array.from({ length: 12 }, (_, index) => `n${index}`);

describe('the rows of an SQLite database', () => {
  test('are whole, however many pages they take', () => {
    const rows = objectsIn(database);
    expect(names(rows)).toEqual([...all].sort());
    expect(new Set(rows.map((row) => row.restart_policy))).toEqual(new Set(['no']));
  });

  test('are those of the log where it has newer ones, without what was not committed', () => {
    const rows = objectsIn(database, log);
    const left = all.filter((name) => name !== 'n9' && name !== 'n3');
    expect(names(rows)).toEqual([...left, 'renamed'].sort());
    const always = rows.filter((row) => row.restart_policy === 'always');
    expect(names(always)).toEqual(['n10']);
  });

  test('of what is no such database are none', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(4096), database.subarray(0, 99)]) {
      expect([...rowsIn(bytes)]).toEqual([]);
    }
    const ofNoSize = Buffer.from(database);
    ofNoSize.writeUInt16BE(0, 16);
    expect([...rowsIn(ofNoSize)]).toEqual([]);
  });

  test('of a damaged database are read without an error, and not for ever', () => {
    for (let length = 0; length <= database.length; length += 97) {
      expect([...rowsIn(database.subarray(0, length), log)].length).toBeLessThan(1_000);
      expect([...rowsIn(database, log.subarray(0, length))].length).toBeLessThan(1_000);
    }
    for (let at = 0; at < database.length; at += 13) {
      const damaged = Buffer.from(database);
      damaged[at] = 0xff - (damaged[at] ?? 0);
      expect([...rowsIn(damaged)].length).toBeLessThan(100_000);
    }
  });
});
