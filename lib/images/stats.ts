import { fromBinary } from '@bufbuild/protobuf';
import { type StatsEntry, StatsEntrySchema } from './proto/stats_pb.js';

/** What CRIU measured while it dumped, from its `stats-dump` image. */
export interface DumpStats {
  /** Microseconds until all tasks were frozen. */
  freezingTimeUs: number;
  /** Microseconds for which CRIU kept the tasks frozen. */
  frozenTimeUs: number;
  /** Microseconds for collecting memory pages. */
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

/**
 * Decodes the content of a `stats-restore` file.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodeRestoreStats(file: Uint8Array): RestoreStats {
  const { restore } = decodeStats('stats-restore', file);
  if (restore === undefined) throw new Error('stats-restore tells of no restore');
  return {
    forkingTimeUs: restore.forkingTime,
    restoreTimeUs: restore.restoreTime,
    pagesCompared: Number(restore.pagesCompared),
    pagesSkippedCow: Number(restore.pagesSkippedCow),
    pagesRestored: Number(restore.pagesRestored),
  };
}

function decodeStats(name: string, file: Uint8Array): StatsEntry {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < headerLength) throw new Error(`${name} is cut short`);
  if (view.getUint32(0, true) !== serviceMagic || view.getUint32(4, true) !== statsMagic) {
    throw new Error('not a stats image');
  }
  const size = view.getUint32(8, true);
  if (file.byteLength < headerLength + size) throw new Error(`${name} is cut short`);
  return fromBinary(StatsEntrySchema, file.subarray(headerLength, headerLength + size));
}

/**
 * Decodes the content of a `stats-dump` file.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodeDumpStats(file: Uint8Array): DumpStats {
  const { dump } = decodeStats('stats-dump', file);
  if (dump === undefined) throw new Error('stats-dump tells of no dump');
  return {
    freezingTimeUs: dump.freezingTime,
    frozenTimeUs: dump.frozenTime,
    memdumpTimeUs: dump.memdumpTime,
    memwriteTimeUs: dump.memwriteTime,
    pagesScanned: Number(dump.pagesScanned),
    pagesSkippedParent: Number(dump.pagesSkippedParent),
    pagesWritten: Number(dump.pagesWritten),
    pagesLazy: Number(dump.pagesLazy),
    shpagesScanned: Number(dump.shpagesScanned),
    shpagesSkippedParent: Number(dump.shpagesSkippedParent),
    shpagesWritten: Number(dump.shpagesWritten),
  };
}

/** Statistics that can be read, or undefined: that they cannot is not worth a failure. */
export function readableStats<T>(decode: (file: Uint8Array) => T, file: Uint8Array): T | undefined {
  try {
    return decode(file);
  } catch {
    return undefined;
  }
}
