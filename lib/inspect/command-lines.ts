import type { ImageFiles, Range } from './files.js';
import { PagemapChain, pagemapOf } from './pagemap.js';

/** Where a process has its arguments. */
export interface ArgumentsPlace {
  readonly pid: number;
  readonly start: number;
  readonly end: number;
  readonly pageSize: number;
}

/** The kernel takes more, of which nobody reads the end. */
const maxBytes = 2 ** 17;

/** A part of a command line, and where its bytes go. */
interface Part {
  readonly into: Buffer;
  readonly at: number;
}

/**
 * The arguments of processes, read from their memory in one pass over the files with pages. A process
 * whose arguments are in no image has none.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function readCommandLines(
  chain: readonly ImageFiles[],
  places: readonly ArgumentsPlace[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const contents = new Map<number, Buffer>();
  const parts = new Map<Range, Part>();
  const wanted = new Map<ImageFiles, Map<string, Range[]>>();
  for (const { pid, start, end, pageSize } of places) {
    const length = Math.min(end - start, maxBytes);
    if (!(length > 0)) continue;
    const into = Buffer.alloc(length);
    const pagemaps = await PagemapChain.read(chain, pagemapOf(pid), pageSize);
    for (const segment of pagemaps.segments(start, start + length)) {
      if (segment.content === undefined) continue;
      const { files, name, range } = segment.content;
      const ranges = wanted.get(files) ?? new Map<string, Range[]>();
      wanted.set(files, ranges);
      const list = ranges.get(name) ?? [];
      ranges.set(name, list);
      list.push(range);
      parts.set(range, { into, at: segment.start - start });
      contents.set(pid, into);
    }
  }
  for (const [files, ranges] of wanted) await readParts(files, ranges, parts);
  return new Map([...contents].flatMap(([pid, content]) => argumentsIn(pid, content)));
}

async function readParts(
  files: ImageFiles,
  ranges: ReadonlyMap<string, Range[]>,
  parts: ReadonlyMap<Range, Part>,
): Promise<void> {
  for (const list of ranges.values()) list.sort((a, b) => a.offset - b.offset);
  const filled = new Map<Range, number>();
  for await (const { range, bytes } of files.read(ranges)) {
    const part = parts.get(range);
    const done = filled.get(range) ?? 0;
    if (part !== undefined) bytes.copy(part.into, part.at + done);
    filled.set(range, done + bytes.length);
  }
}

function argumentsIn(pid: number, content: Buffer): [number, readonly string[]][] {
  // Where a page of them is missing nothing can be told.
  if (content.every((byte) => byte === 0)) return [];
  const text = content.toString('utf8').replace(/\0+$/, '');
  return [[pid, text.split('\0')]];
}
