import type { StatsBase } from 'node:fs';

/** What can stand under a name, as the object of a sentence. */
export type FileKind =
  | 'a regular file'
  | 'a directory'
  | 'a symbolic link'
  | 'a FIFO'
  | 'a socket'
  | 'a device';

/** What it is that was looked at. */
export function kindOf(stats: StatsBase<bigint> | StatsBase<number>): FileKind {
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}
