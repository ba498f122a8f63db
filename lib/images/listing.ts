import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The names in a directory, each with what changes when the file is written again. */
export type Listing = Map<string, string>;

/** Lists a directory as it is now. */
export async function listing(path: string): Promise<Listing> {
  const entries: Listing = new Map();
  for (const name of await readdir(path)) {
    const entry = await lstat(join(path, name), { bigint: true }).catch(() => undefined);
    if (entry) entries.set(name, `${entry.ino} ${entry.mtimeNs} ${entry.size}`);
  }
  return entries;
}

/** Removes what was added to a directory. A hook, or another program, may have added files as well. */
export async function removeAdded(
  path: string,
  before: Listing,
  isToGo: (name: string) => boolean,
): Promise<void> {
  for (const [name, state] of await listing(path)) {
    if (!isToGo(name) || before.get(name) === state) continue;
    await rm(join(path, name), { recursive: true, force: true });
  }
}

/**
 * Removes a directory and those above it up to the outermost one that was made, as long as they are
 * empty: a log that tells of the failure keeps its directory.
 */
export async function removeEmpty(path: string, outermost: string): Promise<void> {
  try {
    for (let at = path; at.length >= outermost.length; at = dirname(at)) await rmdir(at);
  } catch {
    // This one is not empty, so that those above it are not either.
  }
}
