import { type Stats, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exists } from './paths.js';

/** How a file or directory was, or, where there was none, the directory in which it would begin. */
export interface FileState {
  readonly at: string;
  readonly stats: Stats;
  /** Whether to look at it waits for nobody. */
  readonly isLocal: boolean;
}

/** A change that comes so soon after another one may get the same time. */
const clockTickMs = 20;

/**
 * Looks at an absolute path, so that {@link isUnchanged} tells later whether to look again.
 *
 * @returns undefined where the kernel does not tell, or does not tell yet, of a change.
 */
export async function stateOf(path: string): Promise<FileState | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined) {
    return isSettled(stats) ? { at: path, stats, isLocal: await isOnLocalDisk(path) } : undefined;
  }
  const isMissing = path !== '/' && !(await exists(path));
  return isMissing ? await stateOf(dirname(path)) : undefined;
}

/**
 * Whether a path leads to what it did, and nobody but root and this user can have changed that; and
 * whether what was missing still is.
 */
export async function isUnchanged(former: FileState): Promise<boolean> {
  if (former.isLocal) return isUnchangedNow(former);
  return await stat(former.at).then(
    (stats) => isSame(stats, former.stats),
    () => false,
  );
}

/**
 * The same without a turn of libuv's pool, which would be a large part of what a small dump costs;
 * false as well where that could wait for a file system.
 */
export function isUnchangedNow({ at, stats, isLocal }: FileState): boolean {
  try {
    return isLocal && isSame(statSync(at), stats);
  } catch {
    return false;
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return changing.every((property) => one[property] === other[property]);
}

/** Some of these change whenever a file does; of a directory also when something is made in it. */
const changing = ['dev', 'ino', 'mode', 'uid', 'gid', 'size', 'mtimeMs', 'ctimeMs'] as const;

/** Whether the next change would be told. */
function isSettled({ ctimeMs }: Stats): boolean {
  return Date.now() - ctimeMs > clockTickMs;
}

/** ext, xfs, btrfs, f2fs, tmpfs, ramfs and overlay, by the kernel's numbers. */
const localFileSystems: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994, 0x858458f6, 0x794c7630,
]);

async function isOnLocalDisk(path: string): Promise<boolean> {
  const found = await statfs(path).catch(() => undefined);
  return found !== undefined && localFileSystems.has(found.type);
}
