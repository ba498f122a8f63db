import { describe, expect, test } from 'vitest';
import { notedHugePages } from '../../../lib/criu/huge-page-devices.js';

const mebibyte = 2 ** 20;
const [two, thousand] = [2 * mebibyte, 1024 * mebibyte];
/** What CRIU notes for each size, in its order, on a kernel with pages of 2 MiB and of 1 GiB. */
const words = (ofTwo: bigint, ofThousand: bigint): bigint[] =>
  Array.from({ length: 13 }, (_, index) => {
    if (index === 4) return ofTwo;
    return index === 10 ? ofThousand : 0xffff_ffff_ffff_ffffn;
  });

/** A cache that has these words behind so many bytes of something else. */
function cacheWith(noted: readonly bigint[], before: number): Buffer {
  const cache = Buffer.alloc(before + noted.length * 8 + 100, 7);
  for (const [index, word] of noted.entries()) cache.writeBigUInt64LE(word, before + index * 8);
  return cache;
}

describe('the huge pages that a criu has noted', () => {
  test.each<[string, bigint, bigint, number[]]>([
    ['none', 0n, 0n, []],
    ['one size', 16n, 0n, [two]],
    ['the other size', 0n, 17n, [thousand]],
    ['both', 16n, 17n, [two, thousand]],
  ])('are %s', (_what, ofTwo, ofThousand, expected) => {
    for (const before of [0, 8, 2048]) {
      const noted = notedHugePages(cacheWith(words(ofTwo, ofThousand), before), [two, thousand]);
      expect(noted).toEqual(new Set(expected));
    }
  });

  test('are not known where the place is not found', () => {
    const cache = cacheWith(words(16n, 17n), 64);
    expect(notedHugePages(cache, [two])).toBeUndefined();
    expect(notedHugePages(cache, [mebibyte, thousand])).toBeUndefined();
    expect(notedHugePages(cache.subarray(0, 100), [two, thousand])).toBeUndefined();
    expect(notedHugePages(Buffer.alloc(0), [two, thousand])).toBeUndefined();
    expect(notedHugePages(Buffer.alloc(4096), [two, thousand])).toBeUndefined();
  });
});
