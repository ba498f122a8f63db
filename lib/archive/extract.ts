import { closeSync, constants, mkdir } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import { openFd } from '../base/files.js';
import { removeEmpty } from '../images/listing.js';
import { cannotWrite, makeDirectories, resolveDirectory } from '../images/place.js';
import { entryPath, removeTree } from '../linux/remove-tree.js';
import type { Count } from './limits.js';
import type { Member, Source } from './source.js';
import { changeMode, changeTimes, createFile, type Place, Tree, writeAll } from './tree.js';

const makeDirectory = promisify(mkdir) as (path: Buffer, mode: number) => Promise<void>;

/** An empty directory that something is unpacked to. */
export interface Destination {
  /** Absolute, without links. */
  readonly path: string;
  readonly fd: number;
  /** Takes away what was unpacked, and the directory with its parents if they were made for it. */
  discard(): Promise<void>;
  /** Closes it. It can be discarded all the same. */
  close(): void;
}

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens an empty directory, or makes one (mode 0700) with its parents.
 *
 * @param name - The option or argument, for errors.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for one that holds something, and for a file.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can write to it.
 */
export async function openDestination(name: string, path: string): Promise<Destination> {
  const place = await resolveDirectory(name, path);
  const made = await makeDirectories(place).catch(cannotWrite(name, path));
  const fd = await openFd(place.real, directoryFlags);
  try {
    const [first] = await readdir(`/proc/self/fd/${fd}`);
    if (first !== undefined) {
      throw invalidArgValue(name, 'an empty directory, or one that is to be made', path);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return {
    path: place.real,
    fd,
    discard: () => discard(place.real, made),
    close: () => closeSync(fd),
  };
}

/** @param made - The outermost directory that was made. */
async function discard(path: string, made: string | undefined): Promise<void> {
  // Nobody else can have put another one there.
  const fd = await openFd(path, directoryFlags);
  try {
    const names = await readdir(`/proc/self/fd/${fd}`, { encoding: 'latin1' });
    for (const entry of names) await removeTree(fd, entry);
  } finally {
    closeSync(fd);
  }
  if (made !== undefined) await removeEmpty(path, made);
}

/**
 * Unpacks a checkpoint into an empty directory: files with mode 0600, directories with 0700.
 *
 * @param bytes - How many it has.
 */
export async function extract(
  source: Source,
  bytes: number,
  count: Count,
  { fd, path }: Pick<Destination, 'fd' | 'path'>,
): Promise<void> {
  await requireRoom(fd, path, bytes);
  const tree = new Tree(fd);
  try {
    for await (const member of source.members(count)) await put(tree, member);
  } finally {
    tree.forget();
  }
}

async function put(tree: Tree, member: Member): Promise<void> {
  const path = Buffer.from(member.path, 'utf8').toString('latin1');
  // With a mode of its own the directory is made in any case.
  const place = (await tree.place(path, 0o700)) as Place;
  if (!member.isDirectory) return await putFile(place, member);
  await makeDirectory(entryPath(place.directory, place.name), 0o700).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error;
  });
}

async function putFile(place: Place, { content, mtime }: Member): Promise<void> {
  const fd = await createFile(place);
  try {
    await changeMode(fd, 0o600);
    await writeAll(fd, content);
    await changeTimes(fd, mtime, mtime);
  } finally {
    closeSync(fd);
  }
}

/** It would be known only when all has been written that there is room for. */
async function requireRoom(fd: number, path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(`/proc/self/fd/${fd}`);
  if (bytes <= bavail * bsize) return;
  throw new CriuError(
    'ERR_SYSTEM_ERROR',
    `There is no room to unpack ${bytes} bytes in ${path}: it has ${bavail * bsize}`,
  );
}
