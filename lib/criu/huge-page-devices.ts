/** The sizes of huge pages that CRIU knows, in its own order (`hugetlb.c`). */
const knownSizes = [
  2 ** 14,
  2 ** 16,
  2 ** 19,
  2 ** 20,
  2 ** 21,
  2 ** 23,
  2 ** 24,
  2 ** 25,
  2 ** 28,
  2 ** 29,
  2 ** 30,
  2 ** 31,
  2 ** 34,
];

/** What CRIU notes for a size that the kernel has not. */
const isUnknownTo = 0xffff_ffff_ffff_ffffn;
const wordSize = 8;

/**
 * The sizes of huge pages whose device a criu has noted in its cache of kernel data. It finds the
 * device by making a mapping, for which a huge page has to be free, and does so until it has it.
 *
 * @param cache - The content of the cache.
 * @param sizes - Those that this kernel has: by them the place is found.
 * @returns undefined where the place is not found.
 */
export function notedHugePages(
  cache: Buffer,
  sizes: Iterable<number>,
): ReadonlySet<number> | undefined {
  const supported = new Set(sizes);
  for (let at = 0; at + knownSizes.length * wordSize <= cache.length; at += wordSize) {
    const devices = knownSizes.map((_, index) => cache.readBigUInt64LE(at + index * wordSize));
    const isPlace = devices.every(
      (device, index) => (device === isUnknownTo) !== supported.has(knownSizes[index] ?? 0),
    );
    if (isPlace) return new Set(knownSizes.filter((_, index) => isNoted(devices[index])));
  }
  return undefined;
}

function isNoted(device: bigint | undefined): boolean {
  return device !== undefined && device !== 0n && device !== isUnknownTo;
}
