import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** What CRIU measured while it dumped, from its `stats-dump` image. */
export interface DumpStats {
  /** Microseconds until all tasks were frozen. */
  freezingTimeUs: number;
  /** Microseconds for which CRIU kept the tasks frozen. */
  frozenTimeUs: number;
  /** Microseconds for collecting memory pages; in a dump that includes writing them. */
  memdumpTimeUs: number;
  /** Microseconds for writing memory pages to the images. */
  memwriteTimeUs: number;
  /** Memory pages looked at. */
  pagesScanned: number;
  /** Memory pages left out because the parent images have them. */
  pagesSkippedParent: number;
  /** Memory pages written. */
  pagesWritten: number;
  /** Memory pages left for the lazy-pages daemon. */
  pagesLazy: number;
  /** Shared memory pages looked at. */
  shpagesScanned: number;
  /** Shared memory pages left out because the parent images have them. */
  shpagesSkippedParent: number;
  /** Shared memory pages written. */
  shpagesWritten: number;
}

/** What CRIU measured while it restored, from its `stats-restore` image. */
export interface RestoreStats {
  /** Microseconds for making the processes. */
  forkingTimeUs: number;
  /** Microseconds for the whole restore, until the tasks could go on. */
  restoreTimeUs: number;
  /** Memory pages that were compared with those of the parent process. */
  pagesCompared: number;
  /** Memory pages that were left shared with the parent process. */
  pagesSkippedCow: number;
  /** Memory pages read from the images. */
  pagesRestored: number;
}

const serviceMagic = 0x55105940;
const statsMagic = 0x57093306;
const headerLength = 12;
/** The fields of the message `stats_entry` of CRIU's `stats.proto`. */
const fields = { dump: 1, restore: 2 };

/**
 * Decodes the content of a `stats-restore` file.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodeRestoreStats(file: Uint8Array): RestoreStats {
  const value = decodeStats('restore', file);
  return {
    forkingTimeUs: value(3),
    restoreTimeUs: value(4),
    pagesCompared: value(1),
    pagesSkippedCow: value(2),
    pagesRestored: value(5),
  };
}

/**
 * Decodes the content of a `stats-dump` file.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodeDumpStats(file: Uint8Array): DumpStats {
  const value = decodeStats('dump', file);
  return {
    freezingTimeUs: value(1),
    frozenTimeUs: value(2),
    memdumpTimeUs: value(3),
    memwriteTimeUs: value(4),
    pagesScanned: value(5),
    pagesSkippedParent: value(6),
    pagesWritten: value(7),
    pagesLazy: value(9),
    shpagesScanned: value(12),
    shpagesSkippedParent: value(13),
    shpagesWritten: value(14),
  };
}

/** @returns a function that gives the value of a field, which is 0 where CRIU says nothing of it. */
function decodeStats(what: keyof typeof fields, file: Uint8Array): (field: number) => number {
  const name = `stats-${what}`;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < headerLength) throw new Error(`${name} is cut short`);
  if (view.getUint32(0, true) !== serviceMagic || view.getUint32(4, true) !== statsMagic) {
    throw new Error('not a stats image');
  }
  const size = view.getUint32(8, true);
  if (file.byteLength < headerLength + size) throw new Error(`${name} is cut short`);
  const message = messageIn(file.subarray(headerLength, headerLength + size), fields[what]);
  if (message === undefined) throw new Error(`${name} tells of no ${what}`);
  const numbers = numbersIn(message);
  return (field) => numbers.get(field) ?? 0;
}

/** The message that a field of another message is. */
function messageIn(bytes: Uint8Array, number: number): Uint8Array | undefined {
  const reader = new BinaryReader(bytes);
  let message: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === number && type === WireType.LengthDelimited) message = reader.bytes();
    else reader.skip(type, field);
  }
  return message;
}

/** The fields of a message that are numbers. */
function numbersIn(message: Uint8Array): ReadonlyMap<number, number> {
  const reader = new BinaryReader(message);
  const numbers = new Map<number, number>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.Varint) numbers.set(field, Number(reader.uint64()));
    else reader.skip(type, field);
  }
  return numbers;
}

/** Statistics that can be read, or undefined: that they cannot is not worth a failure. */
export function readableStats<T>(decode: (file: Uint8Array) => T, file: Uint8Array): T | undefined {
  try {
    return decode(file);
  } catch {
    return undefined;
  }
}
