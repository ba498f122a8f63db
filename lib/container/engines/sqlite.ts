/**
 * The content of the rows of an SQLite database, of all its tables and in no order: enough to find a row
 * by what it holds, without a reader of the schema. The format is that of https://sqlite.org/fileformat2.html
 *
 * @param database - The content of the file.
 * @param log - That of the write-ahead log beside it, which has the newer pages.
 * @returns What each row holds, without what tells the types of its columns.
 */
export function* rowsIn(database: Buffer, log: Buffer = Buffer.alloc(0)): Generator<Buffer> {
  if (database.length < fileHeader || database.toString('latin1', 0, magic.length) !== magic)
    return;
  const size = database.readUInt16BE(16);
  if (size !== largest && size < 512) return;
  const pages = new Pages(database, size === largest ? 65_536 : size, database[20] ?? 0, log);
  const free = freePages(pages);
  for (let number = 1; number <= pages.count; number += 1) {
    if (!free.has(number)) yield* rowsOf(pages, number);
  }
}

/** Pages that are in no table any more, but still have the rows that they had. */
function freePages(pages: Pages): Set<number> {
  const free = new Set<number>();
  let trunk = pages.page(1).readUInt32BE(32);
  while (trunk !== 0 && trunk <= pages.count && !free.has(trunk)) {
    free.add(trunk);
    const page = pages.page(trunk);
    const leaves = Math.min(page.readUInt32BE(4), pages.usable / 4 - 2);
    for (let index = 0; index < leaves; index += 1) free.add(page.readUInt32BE(8 + 4 * index));
    trunk = page.readUInt32BE(0);
  }
  return free;
}

const magic = 'SQLite format 3\0';
const leafOfTable = 0x0d;
/** The first page has the file's header before its own. */
const fileHeader = 100;
/** The size that does not fit into its field. */
const largest = 1;

/** The pages of a database, by their numbers from 1. */
class Pages {
  readonly count: number;
  /** What of a page holds content. */
  readonly usable: number;
  readonly #database: Buffer;
  readonly #size: number;
  readonly #newer: ReadonlyMap<number, Buffer>;

  constructor(database: Buffer, size: number, reserved: number, log: Buffer) {
    this.#database = database;
    this.#size = size;
    this.usable = size - reserved;
    this.#newer = newerPages(log, size);
    this.count = Math.max(Math.floor(database.length / size), ...this.#newer.keys());
  }

  page(number: number): Buffer {
    const start = (number - 1) * this.#size;
    const page = this.#newer.get(number) ?? this.#database.subarray(start, start + this.#size);
    return page.length === this.#size ? page : Buffer.alloc(this.#size);
  }
}

/** The last committed version of each page in a write-ahead log. */
function newerPages(log: Buffer, size: number): Map<number, Buffer> {
  const committed = new Map<number, Buffer>();
  const pending = new Map<number, Buffer>();
  const [headerSize, frameHeader, salts] = [32, 24, 8];
  if (log.length < headerSize) return committed;
  const salt = log.subarray(16, 16 + salts);
  for (let at = headerSize; at + frameHeader + size <= log.length; at += frameHeader + size) {
    // What is left of an earlier use of the log has other salts.
    if (!log.subarray(at + 8, at + 8 + salts).equals(salt)) break;
    const body = at + frameHeader;
    pending.set(log.readUInt32BE(at), log.subarray(body, body + size));
    const isCommit = log.readUInt32BE(at + 4) !== 0;
    if (!isCommit) continue;
    for (const [number, page] of pending) committed.set(number, page);
    pending.clear();
  }
  return committed;
}

function* rowsOf(pages: Pages, number: number): Generator<Buffer> {
  const page = pages.page(number);
  const header = number === 1 ? fileHeader : 0;
  if (page[header] !== leafOfTable) return;
  const cells = page.readUInt16BE(header + 3);
  for (let index = 0; index < cells; index += 1) {
    const pointer = header + 8 + 2 * index;
    if (pointer + 2 > page.length) return;
    const row = rowAt(pages, page, page.readUInt16BE(pointer));
    if (row !== undefined) yield row;
  }
}

/** The content of one cell, together with what did not fit into its page; undefined where it is damaged. */
function rowAt(pages: Pages, page: Buffer, at: number): Buffer | undefined {
  const [length, afterLength] = varint(page, at);
  const [, start] = varint(page, afterLength);
  const { usable } = pages;
  const most = usable - 35;
  if (length <= most) return page.subarray(start, start + length);
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((length - least) % (usable - 4));
  const local = fitting <= most ? fitting : least;
  if (start + local + 4 > page.length || length > pages.count * usable) return undefined;
  const parts = [page.subarray(start, start + local)];
  let missing = length - local;
  for (let next = page.readUInt32BE(start + local); missing > 0; ) {
    if (next === 0 || next > pages.count) return undefined;
    const overflow = pages.page(next);
    const part = overflow.subarray(4, Math.min(usable, 4 + missing));
    if (part.length === 0) return undefined;
    parts.push(part);
    missing -= part.length;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

/** A number of up to 9 bytes, and where it ends. */
function varint(page: Buffer, at: number): [number, number] {
  let value = 0;
  for (let index = 0; index < 8; index += 1) {
    const byte = page[at + index] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, at + index + 1];
  }
  return [value * 256 + (page[at + 8] ?? 0), at + 9];
}
