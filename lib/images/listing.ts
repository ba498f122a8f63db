import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type FileKind, kindOf } from '../linux/file-kind.js';

/** What a name in a directory stands for. */
interface Entry {
  /** What changes when the file is written again. */
  state: string;
  kind: FileKind;
}

/** The names in a directory. */
export type Listing = Map<string, Entry>;

/** How many files are looked at at once at most: it takes half a millisecond. */
const mostAtOnce = 64;

/**
 * Lists a directory as it is now.
 *
 * @param isLocal - Whether to look into it waits for no server: a few files are then looked at at once,
 * which takes a tenth of the time that it takes on threads of libuv's pool.
 */
export async function listing(path: string, isLocal = false): Promise<Listing> {
  const names = isLocal ? readdirSync(path) : await readdir(path);
  const entries =
    isLocal && names.length <= mostAtOnce
      ? names.map((name) => entryNow(join(path, name)))
      : await Promise.all(names.map((name) => entryAt(join(path, name))));
  const found = names.map((name, index) => [name, entries[index]] as const);
  return new Map(found.filter((one): one is [string, Entry] => one[1] !== undefined));
}

async function entryAt(path: string): Promise<Entry | undefined> {
  return entryOf(await lstat(path, { bigint: true }).catch(() => undefined));
}

function entryNow(path: string): Entry | undefined {
  try {
    return entryOf(lstatSync(path, { bigint: true }));
  } catch {
    return undefined; // gone meanwhile
  }
}

function entryOf(stats: BigIntStats | undefined): Entry | undefined {
  if (stats === undefined) return undefined;
  return { state: `${stats.ino} ${stats.mtimeNs} ${stats.size}`, kind: kindOf(stats) };
}

/** Removes what was added to a directory. A hook, or another program, may have added files as well. */
export async function removeAdded(
  path: string,
  before: Listing,
  isToGo: (name: string) => boolean,
): Promise<void> {
  for (const [name, { state }] of await listing(path)) {
    if (!isToGo(name) || before.get(name)?.state === state) continue;
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
