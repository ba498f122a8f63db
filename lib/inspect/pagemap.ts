import { refuseImage } from '../images/codec/fault.js';
import { readingImage } from '../images/codec/file.js';
import { shownPath } from '../linux/paths.js';
import type { ImageFiles, Range } from './files.js';

/** Where the content of pages is. */
export type Place =
  /** In these images. */
  | 'here'
  /** In those of an earlier pre-dump. */
  | 'parent'
  /** With the process that was dumped, which served them later. */
  | 'elsewhere';

/** Pages one behind the other. */
export interface Extent {
  /** The address of the first byte. */
  readonly start: number;
  /** The address behind the last byte. */
  readonly end: number;
  readonly place: Place;
  /** Where the content begins in the file with the pages, if it is there. */
  readonly offset: number;
}

/** Which pages of a process, or of a shared segment, have been saved. */
export interface Pagemap {
  /** The name of the file with the pages. */
  readonly pages: string;
  /** In the order of their addresses. */
  readonly extents: readonly Extent[];
}

const inParent = 1;
const isLazy = 2;
const isPresent = 4;

/** The name of the pagemap of a process. */
export const pagemapOf = (pid: number): string => `pagemap-${pid}.img`;
/** The name of the pagemap of a segment of shared memory. */
export const sharedPagemapOf = (id: number): string => `pagemap-shmem-${id}.img`;

/**
 * Reads a pagemap; undefined where there is none.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function readPagemap(
  files: ImageFiles,
  name: string,
  pageSize: number,
): Promise<Pagemap | undefined> {
  const [head, ...entries] = await files.entries(name);
  if (head === undefined) return undefined;
  const extents: Extent[] = [];
  let offset = 0;
  for (const entry of entries) {
    const start = entry.number('vaddr');
    // The number of pages has become too large for its first field.
    const count = entry.number(entry.has('nr_pages') ? 'nr_pages' : 'compat_nr_pages');
    const end = start + count * pageSize;
    const flags = entry.number('flags');
    const place = placeOf(flags, entry.has('flags'), entry.is('in_parent'));
    extents.push({ start, end, place, offset });
    if (place === 'here') offset += count * pageSize;
  }
  const pages = `pages-${head.number('pages_id')}.img`;
  await readingImage(` ${shownPath(name)} of ${shownPath(files.path)}`, async () =>
    checkExtents(extents, files.sizes.get(pages) ?? 0, offset, pages),
  );
  return { pages, extents };
}

/** A damaged pagemap must not have memory looked for that is nowhere. */
function checkExtents(
  extents: readonly Extent[],
  size: number,
  needed: number,
  pages: string,
): void {
  let last = 0;
  for (const { start, end } of extents) {
    const isBehind = Number.isSafeInteger(end) && start >= last && end >= start;
    if (!isBehind) refuseImage('its pages are not in the order of their addresses');
    last = end;
  }
  if (needed > size) {
    refuseImage(`it has ${needed} bytes of pages, and ${shownPath(pages)} has ${size}`);
  }
}

function placeOf(flags: number, hasFlags: boolean, isInParent: boolean): Place {
  if (isInParent || (flags & inParent) !== 0) return 'parent';
  // Before CRIU had flags, all that was not in the parent was there.
  if (!hasFlags || (flags & isPresent) !== 0) return 'here';
  return (flags & isLazy) !== 0 ? 'elsewhere' : 'here';
}

/** The extents that have bytes from one address to another, by a search for the first of them. */
export function* extentsWithin(
  { extents }: Pagemap,
  start: number,
  end: number,
): Generator<Extent> {
  let low = 0;
  for (let high = extents.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((extents[middle]?.end ?? 0) <= start) low = middle + 1;
    else high = middle;
  }
  for (let at = low; at < extents.length; at++) {
    const extent = extents[at];
    if (extent === undefined || extent.start >= end) return;
    yield extent;
  }
}

/** Memory whose content is at one place. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  /**
   * The file with the content, and the part of it; undefined for memory that no image has: that was
   * never written, is as in a file, or was left elsewhere.
   */
  readonly content:
    | { readonly files: ImageFiles; readonly name: string; readonly range: Range }
    | undefined;
}

/** The pagemaps of one process, or one segment, in a checkpoint and in the earlier ones that it needs. */
export class PagemapChain {
  readonly #levels: readonly { files: ImageFiles; pagemap: Pagemap | undefined }[];

  private constructor(levels: readonly { files: ImageFiles; pagemap: Pagemap | undefined }[]) {
    this.#levels = levels;
  }

  /** @throws CriuError `ERR_CRIU_IMAGE` */
  static async read(
    chain: readonly ImageFiles[],
    name: string,
    pageSize: number,
  ): Promise<PagemapChain> {
    const levels = [];
    for (const files of chain) {
      levels.push({ files, pagemap: await readPagemap(files, name, pageSize) });
    }
    return new PagemapChain(levels);
  }

  /** That of the checkpoint itself. */
  get first(): Pagemap | undefined {
    return this.#levels[0]?.pagemap;
  }

  /** Where the memory from one address to another is, in its order and without gaps. */
  segments(start: number, end: number): Generator<Segment> {
    return this.#segments(0, start, end);
  }

  *#segments(level: number, start: number, end: number): Generator<Segment> {
    const { files, pagemap } = this.#levels[level] ?? {};
    let at = start;
    if (files !== undefined && pagemap !== undefined) {
      for (const extent of extentsWithin(pagemap, start, end)) {
        const from = Math.max(at, extent.start);
        const to = Math.min(end, extent.end);
        if (to <= from) continue;
        if (from > at) yield { start: at, end: from, content: undefined };
        if (extent.place === 'parent') {
          yield* this.#segments(level + 1, from, to);
        } else {
          const range = { offset: extent.offset + from - extent.start, length: to - from };
          const content = { files, name: pagemap.pages, range };
          yield { start: from, end: to, content: extent.place === 'here' ? content : undefined };
        }
        at = to;
      }
    }
    if (at < end) yield { start: at, end, content: undefined };
  }
}
