import { describe, expect, test } from 'vitest';
import { decodeDumpStats, decodeRestoreStats } from '../../../lib/images/stats.js';

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

/** A stats image as CRIU writes it: numbers by their fields, in a message that is a field itself. */
function image(entry: number, numbers: Readonly<Record<number, number>>): Buffer {
  const message = Object.entries(numbers).flatMap(([field, value]) => [
    ...varint(Number(field) * 8),
    ...varint(value),
  ]);
  const content = [...varint(entry * 8 + 2), ...varint(message.length), ...message];
  const header = new Uint32Array([0x55105940, 0x57093306, content.length]);
  return Buffer.concat([Buffer.from(header.buffer), Buffer.from(content)]);
}

const dumped = { 1: 150, 2: 4000, 3: 300, 4: 200, 5: 58, 6: 7, 7: 51, 8: 99, 9: 0, 12: 2 ** 40 };

describe('what CRIU measured', () => {
  test('of a dump is each figure, 0 where CRIU says nothing', () => {
    expect(decodeDumpStats(image(1, dumped))).toEqual({
      freezingTimeUs: 150,
      frozenTimeUs: 4000,
      memdumpTimeUs: 300,
      memwriteTimeUs: 200,
      pagesScanned: 58,
      pagesSkippedParent: 7,
      pagesWritten: 51,
      pagesLazy: 0,
      shpagesScanned: 2 ** 40,
      shpagesSkippedParent: 0,
      shpagesWritten: 0,
    });
  });

  test('of a restore is each figure', () => {
    expect(decodeRestoreStats(image(2, { 1: 10, 2: 3, 3: 700, 4: 2100, 5: 13 }))).toEqual({
      pagesCompared: 10,
      pagesSkippedCow: 3,
      forkingTimeUs: 700,
      restoreTimeUs: 2100,
      pagesRestored: 13,
    });
  });

  test('is not that of the other', () => {
    expect(() => decodeDumpStats(image(2, { 1: 10 }))).toThrow('stats-dump tells of no dump');
    expect(() => decodeRestoreStats(image(1, dumped))).toThrow('stats-restore tells of no restore');
  });

  test('cannot be told by a file that is cut short, or another one', () => {
    const whole = image(1, dumped);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeDumpStats(whole.subarray(0, length)), `${length} bytes`).toThrow();
    }
    expect(() => decodeDumpStats(Buffer.alloc(64))).toThrow('not a stats image');
  });
});
