import { closeSync, constants, open, readlinkSync } from 'node:fs';
import { access, lstat, mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CriuError, invalidArgValue } from '../base/errors.js';
import { option as named, sentence } from '../base/sentence.js';
import { nativeAddon } from '../native/addon.js';
import type { FreshDirectory } from '../native/contract.js';
import {
  cannotWrite,
  checkReplaceable,
  type DirectoryPath,
  makeDirectories,
  resolveDirectory,
} from './place.js';

/** The names of the files that CRIU and we write into an images directory, besides the logs. */
const writtenNames =
  /\.img$|^stats-(?:dump|restore)$|^descriptors\.json$|^libcriu\.json$|^irmap-cache$|^parent$|^tmp-/;
/** The images directories that operations of this thread are writing to. */
const inUse = new Set<string>();
/** Opens a bare descriptor, which can be closed without a turn of libuv's pool. */
const openFd = promisify(open) as (path: string, flags: number) => Promise<number>;

/** What becomes of a directory that already holds something. */
export type ExistingImages = 'refuse' | 'replace' | 'reuse';

/**
 * A directory that criu writes to. It is held open, so that nobody can swap it for another one. Once
 * it is closed it is known by its path alone.
 */
export interface OutputDirectory {
  /** The absolute path under which it will be found after {@link OutputDirectory.keep}. */
  path: string;
  fd: number;
  /** The path of a file in it, which leads through the descriptor while that is open. */
  file(name: string): string;
  /** Writes a file with mode 0600. */
  write(name: string, content: string): Promise<void>;
  /** Whether a log in it outlives a failure. */
  keepsLogs: boolean;
  /**
   * Puts a replacing directory in its place. It is called after a success.
   *
   * @throws CriuError that says where the images are instead.
   */
  keep(): Promise<void>;
  /**
   * Removes what was added since the directory was opened, but for the named logs. It is called after
   * a failure.
   */
  discard(logs: readonly string[]): Promise<void>;
  close(): void;
}

/** A directory that has been looked at and not been touched. */
interface CheckedDirectory {
  /** Opens it, making it (mode 0700) and its parents if need be. */
  open(): Promise<OutputDirectory>;
}

/**
 * Looks at the directory that an option names, without touching anything.
 *
 * @param option - The option's name, for errors.
 * @param existing - What becomes of one that holds something: the caller's option, or undefined where
 * the call has no such option and it is refused.
 * @param logs - Names that a former, failed try may have left and that do not count as content.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file, a dangling or another user's symbolic link.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it cannot be written, or has content and may not.
 */
export async function checkDirectory(
  option: string,
  path: string,
  existing: ExistingImages | undefined,
  logs: readonly string[],
): Promise<CheckedDirectory> {
  const place = await resolveDirectory(option, path);
  const before = place.isThere ? await checkedListing(option, path, place) : undefined;
  // Whether a missing one can be written shows when it is made, and then nothing is left behind.
  if (place.isThere) await checkWritable(option, path, place);
  const content = [...(before?.keys() ?? [])].filter((name) => !logs.includes(name));
  if (content.length > 0 && (existing === undefined || existing === 'refuse')) {
    const choice = existing === undefined ? '' : sentence`, or ${named('existing', 'replace')}`;
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The directory of ${named(option)} ${path} is not empty; give a fresh one${choice}`,
    );
  }
  if (content.length > 0 && existing === 'replace') {
    await checkReplaceable(option, path, place);
    return { open: () => openReplacement(option, place) };
  }
  return { open: () => openInPlace(option, place, before) };
}

/**
 * Opens a directory of complete images to read them.
 *
 * @param isWritten - Whether CRIU writes its log into it.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file or another user's symbolic link.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it is missing, holds no images or cannot be written.
 */
export async function openImages(
  option: string,
  path: string,
  isWritten: boolean,
): Promise<OutputDirectory> {
  const place = await resolveDirectory(option, path);
  if (!place.isThere) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The directory of ${named(option)} ${path} does not exist`,
    );
  }
  const before = await checkedListing(option, path, place);
  // CRIU writes the inventory last.
  if (!before.has('inventory.img')) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The directory of ${named(option)} ${path} holds no complete images: it has no
        inventory.img`,
    );
  }
  if (isWritten) await checkWritable(option, path, place);
  return openInPlace(option, place, before);
}

/**
 * Takes an images directory for one operation, because two operations that find it empty would mix
 * their images.
 *
 * @returns a function that gives it back.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when another operation of this thread has it.
 */
export function claimDirectory(option: string, path: string): () => void {
  const absolute = resolve(path);
  if (inUse.has(absolute)) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`Another operation is writing to the directory of ${named(option)} ${path}`,
    );
  }
  inUse.add(absolute);
  return () => inUse.delete(absolute);
}

/** The names in a directory, each with what changes when the file is written again. */
type Listing = Map<string, string>;

/** Lists a directory, or refuses what is not one. */
async function checkedListing(
  option: string,
  path: string,
  { real }: DirectoryPath,
): Promise<Listing> {
  return listing(real).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOTDIR' ? 'it is not a directory' : error.message;
    throw invalidArgValue(option, 'the path of a directory', path, reason);
  });
}

async function checkWritable(option: string, path: string, { real }: DirectoryPath): Promise<void> {
  await access(real, constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
}

async function listing(path: string): Promise<Listing> {
  const entries: Listing = new Map();
  for (const name of await readdir(path)) {
    const entry = await lstat(join(path, name), { bigint: true }).catch(() => undefined);
    if (entry) entries.set(name, `${entry.ino} ${entry.mtimeNs} ${entry.size}`);
  }
  return entries;
}

/**
 * Makes and opens a directory that does not exist in one that does, which is the usual case, in one
 * step.
 *
 * @returns undefined, with nothing touched, in every other case, also where there is a fault to tell.
 */
export async function openFresh(directory: FreshDirectory): Promise<OutputDirectory | undefined> {
  const fd = await nativeAddon().makeDirectory(directory);
  return fd === undefined ? undefined : adoptFresh(directory, fd);
}

/** Takes over a directory that the addon has made and opened. */
export function adoptFresh({ path }: FreshDirectory, fd: number): OutputDirectory {
  // In a worker thread Node.js warns of descriptors that it closes and has not opened.
  const close = (): void => nativeAddon().closeDescriptor(fd);
  return inPlace({ absolute: path, real: path }, fd, undefined, path, close);
}

async function openInPlace(
  option: string,
  place: DirectoryPath,
  before: Listing | undefined,
): Promise<OutputDirectory> {
  const made = before
    ? undefined
    : await makeDirectories(place).catch(cannotWrite(option, place.absolute));
  return inPlace(place, await openDirectory(option, place.real), before, made);
}

/**
 * A directory that is written to in its final place.
 *
 * @param before - What was in it; undefined when it was made.
 * @param made - The outermost directory that had to be made, which a failure removes again.
 */
function inPlace(
  { absolute, real }: Pick<DirectoryPath, 'absolute' | 'real'>,
  fd: number,
  before: Listing | undefined,
  made: string | undefined,
  closeFd?: () => void,
): OutputDirectory {
  const directory = output(absolute, real, fd, closeFd);
  return {
    ...directory,
    keepsLogs: true,
    keep: async () => {},
    discard: async (logs) => {
      await removeAdded(directory.file(''), before ?? new Map(), logs);
      if (made !== undefined) await removeEmpty(real, made);
    },
  };
}

/** Removes what was added to a directory, but for the named logs. */
async function removeAdded(path: string, before: Listing, logs: readonly string[]): Promise<void> {
  for (const [name, state] of await listing(path)) {
    if (logs.includes(name) || before.get(name) === state) continue;
    // Somebody else may be using the directory as well, and may have added other files.
    if (before.size > 0 && !writtenNames.test(name)) continue;
    await rm(join(path, name), { recursive: true, force: true });
  }
}

/**
 * Removes a directory and those above it up to the outermost one that was made, as long as they are
 * empty: a log that tells of the failure keeps its directory.
 */
async function removeEmpty(path: string, outermost: string): Promise<void> {
  try {
    for (let at = path; at.length >= outermost.length; at = dirname(at)) await rmdir(at);
  } catch {
    // This one is not empty, so that those above it are not either.
  }
}

/**
 * Opens a directory beside the one that is to be replaced, so that the old images stay whole until the
 * new ones are.
 */
async function openReplacement(
  option: string,
  { absolute, real: target }: DirectoryPath,
): Promise<OutputDirectory> {
  const unique = `${process.pid}.${process.hrtime.bigint().toString(36)}`;
  const fresh = join(dirname(target), `.${basename(target)}.new.${unique}`);
  await mkdir(fresh, { mode: 0o700 }).catch(cannotWrite(option, absolute));
  const fd = await openDirectory(option, fresh).catch(async (error: unknown) => {
    await rmdir(fresh).catch(() => {});
    throw error;
  });
  return {
    ...output(absolute, fresh, fd),
    keepsLogs: false,
    keep: async () => {
      try {
        nativeAddon().exchange(fresh, target);
      } catch (cause) {
        throw new CriuError(
          'ERR_CRIU_IMAGES_DIR',
          `The images are complete but cannot take the place of ${target}: they are in ${fresh}`,
          { cause },
        );
      }
      await rm(fresh, { recursive: true, force: true }).catch(() => {});
    },
    discard: () => rm(fresh, { recursive: true, force: true }),
  };
}

function output(
  path: string,
  real: string,
  fd: number,
  closeFd: () => void = () => closeSync(fd),
): Pick<OutputDirectory, 'path' | 'fd' | 'file' | 'write' | 'close'> {
  let isOpen = true;
  const file = (name: string): string => join(isOpen ? `/proc/self/fd/${fd}` : real, name);
  return {
    path,
    fd,
    file,
    write: async (name, content) => {
      try {
        // A directory that is used again can have a file or a link of that name.
        await rm(file(name), { force: true });
        await writeFile(file(name), content, { mode: 0o600, flag: 'wx' });
      } catch (cause) {
        cannotWrite('imagePath', path)(cause as NodeJS.ErrnoException);
      }
    },
    // Nothing is left to be written to a directory, so that closing it waits for nobody.
    close: () => {
      if (isOpen) closeFd();
      isOpen = false;
    },
  };
}

/** Opens a directory, and refuses what has been put in its place since it was looked at. */
async function openDirectory(option: string, real: string): Promise<number> {
  const moved = (): Error => invalidArgValue(option, 'a directory that stays where it is', real);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const fd = await openFd(real, flags).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ELOOP' || cause.code === 'ENOTDIR' ? moved() : cause;
  });
  if (readlinkSync(`/proc/self/fd/${fd}`) === real) return fd;
  closeSync(fd);
  throw moved();
}
