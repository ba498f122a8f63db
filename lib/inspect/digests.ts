import { createHash } from 'node:crypto';
import type { ImageFiles, Range } from './files.js';
import { PagemapChain } from './pagemap.js';

/** Pages one behind the other, each by a short name for its content. */
interface Run {
  readonly start: number;
  readonly digests: BigUint64Array;
}

/** A short name of 8 bytes for the content of each page that is in images. */
export class Digests {
  /** In the order of their addresses. */
  readonly #runs: Run[] = [];
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Makes room for the pages from one address to another, which are behind those before. */
  add(start: number, end: number): BigUint64Array {
    const digests = new BigUint64Array(Math.ceil((end - start) / this.#pageSize));
    this.#runs.push({ start, digests });
    return digests;
  }

  /** The pages with their addresses, in the order of these. */
  *pages(): Generator<readonly [address: number, digest: bigint]> {
    for (const { start, digests } of this.#runs) {
      for (const [at, digest] of digests.entries()) yield [start + at * this.#pageSize, digest];
    }
  }
}

/**
 * The digests of pages, read in one pass over the files with pages. Of each page 8 bytes are kept.
 *
 * @param names - Of the pagemaps.
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function readDigests(
  chain: readonly ImageFiles[],
  names: readonly string[],
  pageSize: number,
): Promise<ReadonlyMap<string, Digests>> {
  const all = new Map<string, Digests>();
  const targets = new Map<Range, BigUint64Array>();
  const wanted = new Map<ImageFiles, Map<string, Range[]>>();
  for (const name of names) {
    const pagemaps = await PagemapChain.read(chain, name, pageSize);
    const extents = pagemaps.first?.extents ?? [];
    const digests = new Digests(pageSize);
    all.set(name, digests);
    for (const { content, start, end } of pagemaps.segments(
      extents[0]?.start ?? 0,
      extents.at(-1)?.end ?? 0,
    )) {
      if (content === undefined) continue;
      const ranges = wanted.get(content.files) ?? new Map<string, Range[]>();
      wanted.set(content.files, ranges);
      const list = ranges.get(content.name) ?? [];
      ranges.set(content.name, list);
      list.push(content.range);
      targets.set(content.range, digests.add(start, end));
    }
  }
  for (const [files, ranges] of wanted) {
    for (const list of ranges.values()) list.sort((a, b) => a.offset - b.offset);
    await digest(files, ranges, targets, pageSize);
  }
  return all;
}

async function digest(
  files: ImageFiles,
  ranges: ReadonlyMap<string, readonly Range[]>,
  targets: ReadonlyMap<Range, BigUint64Array>,
  pageSize: number,
): Promise<void> {
  let current: Range | undefined;
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  for await (const { range, bytes } of files.read(ranges)) {
    if (range !== current) {
      current = range;
      rest = Buffer.alloc(0);
      at = 0;
    }
    const digests = targets.get(range);
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let used = 0;
    for (; used + pageSize <= rest.length; used += pageSize, at += 1) {
      if (digests !== undefined) digests[at] = digestOf(rest.subarray(used, used + pageSize));
    }
    rest = rest.subarray(used);
  }
}

function digestOf(page: Buffer): bigint {
  return createHash('sha1').update(page).digest().readBigUInt64LE();
}
