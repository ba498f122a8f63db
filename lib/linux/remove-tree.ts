import { closeSync, constants, readdir, rmdir, unlink } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../base/errors.js';
import { openFd } from '../base/files.js';

const unlinkEntry = promisify(unlink) as (path: Buffer) => Promise<void>;
const removeDirectory = promisify(rmdir) as (path: Buffer) => Promise<void>;
const list = promisify(readdir) as (path: string, encoding: 'latin1') => Promise<string[]>;

/** The path by which the kernel reaches an entry of an open directory. The name is latin1. */
export function entryPath(directory: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${directory}/${name}`, 'latin1');
}

/**
 * Removes an entry of an open directory, with all that is in it, whatever bytes its names have. No link
 * is followed: each directory is opened below the one before it. What is not there is removed already.
 *
 * @param name - One character for each byte, as latin1 has.
 */
export async function removeTree(directory: number, name: string): Promise<void> {
  const path = entryPath(directory, name);
  const code = await unlinkEntry(path).then(() => undefined, errnoOf);
  if (code === undefined || code === 'ENOENT') return;
  const fd = await openFd(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    for (const entry of await list(`/proc/self/fd/${fd}`, 'latin1')) await removeTree(fd, entry);
  } finally {
    closeSync(fd);
  }
  await removeDirectory(path);
}
