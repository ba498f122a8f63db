import { closeSync, constants, open, readlinkSync } from 'node:fs';
import { access, lstat, mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CriuError, invalidArgValue } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';
import type { FreshDirectory } from '../native/contract.js';
import { cannotWrite, checkReplaceable, locate, makeDirectories, type Place } from './place.js';

/** What a dump writes, besides its log. */
const written =
  /\.img$|^stats-(?:dump|restore)$|^descriptors\.json$|^libcriu\.json$|^irmap-cache$|^parent$|^tmp-/;
/** Images directories that operations of this thread write to now. */
const inUse = new Set<string>();
/** A bare descriptor, which is closed without a turn of the pool. */
const openFd = promisify(open) as (path: string, flags: number) => Promise<number>;

/** What to do with a directory that already holds something. */
export type ExistingImages = 'refuse' | 'replace' | 'reuse';

/**
 * A directory that criu writes to, held open so that nobody can swap it for another. Once it is
 * closed it is known by its path alone.
 */
export interface OutputDirectory {
  /** Absolute path under which it will be found after {@link OutputDirectory.keep}. */
  path: string;
  fd: number;
  /** A path of a file in it, which leads through the descriptor while that is open. */
  file(name: string): string;
  /** Writes a file, 0600. */
  write(name: string, content: string): Promise<void>;
  /** Whether a log in it outlives a failure. */
  keepsLogs: boolean;
  /** After success: puts a replacing directory in its place. What it throws says where it is. */
  keep(): Promise<void>;
  /** After failure: removes what was added since it was opened, but for the named logs. */
  discard(logs: readonly string[]): Promise<void>;
  close(): void;
}

/** A directory that has been looked at and not been touched. */
export interface CheckedDirectory {
  /** Opens it, making it (mode 0700) and its parents if need be. */
  open(): Promise<OutputDirectory>;
}

/**
 * Looks at the directory that an option names, without touching anything.
 *
 * @param option - Its name, for errors.
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
  const place = await locate(option, path);
  const before = place.isThere
    ? await listing(place.real).catch((error: NodeJS.ErrnoException) => {
        const reason = error.code === 'ENOTDIR' ? 'it is not a directory' : error.message;
        throw invalidArgValue(option, 'the path of a directory', path, reason);
      })
    : undefined;
  // Of one that is to be made, making it will tell, and leave nothing behind.
  if (place.isThere) {
    await access(place.real, constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
  }
  const content = [...(before?.keys() ?? [])].filter((name) => !logs.includes(name));
  if (content.length > 0 && (existing === undefined || existing === 'refuse')) {
    const choice = existing === undefined ? '' : ", or existing: 'replace'";
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `The directory of ${option} ${path} is not empty; give a fresh one${choice}`,
    );
  }
  if (content.length > 0 && existing === 'replace') {
    await checkReplaceable(option, path, place);
    return { open: () => openReplacement(option, place) };
  }
  return { open: () => openInPlace(option, place, before) };
}

/**
 * Opens a directory of complete images to read them; CRIU may write its log into it.
 *
 * @param isWritten - Whether it is, too.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file or another user's symbolic link.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it is missing, holds no images or cannot be written.
 */
export async function openImages(
  option: string,
  path: string,
  isWritten: boolean,
): Promise<OutputDirectory> {
  const place = await locate(option, path);
  if (!place.isThere) {
    throw new CriuError('ERR_CRIU_IMAGES_DIR', `The directory of ${option} ${path} does not exist`);
  }
  const before = await listing(place.real).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOTDIR' ? 'it is not a directory' : error.message;
    throw invalidArgValue(option, 'the path of a directory', path, reason);
  });
  // CRIU writes it last.
  if (!before.has('inventory.img')) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `The directory of ${option} ${path} holds no complete images: it has no inventory.img`,
    );
  }
  if (isWritten) {
    await access(place.real, constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
  }
  return openInPlace(option, place, before);
}

/**
 * Takes an images directory for one operation: two that find it empty would mix their images.
 *
 * @returns what gives it back.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when another operation of this thread has it.
 */
export function claimDirectory(option: string, path: string): () => void {
  const absolute = resolve(path);
  if (inUse.has(absolute)) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `Another operation is writing to the directory of ${option} ${path}`,
    );
  }
  inUse.add(absolute);
  return () => inUse.delete(absolute);
}

type Listing = Map<string, string>;

/** Names with what changes when a file is written again. */
async function listing(path: string): Promise<Listing> {
  const entries: Listing = new Map();
  for (const name of await readdir(path)) {
    const entry = await lstat(join(path, name), { bigint: true }).catch(() => undefined);
    if (entry) entries.set(name, `${entry.ino} ${entry.mtimeNs} ${entry.size}`);
  }
  return entries;
}

/**
 * The usual case in one step: a directory that does not exist, in one that does.
 *
 * @returns undefined, with nothing touched, when it is not that case, or there is a fault to be told.
 */
export async function openFresh(directory: FreshDirectory): Promise<OutputDirectory | undefined> {
  const fd = await nativeAddon().makeDirectory(directory);
  return fd === undefined ? undefined : adoptFresh(directory, fd);
}

/** A directory that the addon has made. */
export function adoptFresh({ path }: FreshDirectory, fd: number): OutputDirectory {
  // In a worker thread Node.js warns of descriptors that it closes and has not opened.
  const close = (): void => nativeAddon().closeDescriptor(fd);
  return inPlace({ absolute: path, real: path }, fd, undefined, path, close);
}

async function openInPlace(
  option: string,
  place: Place,
  before: Listing | undefined,
): Promise<OutputDirectory> {
  const made = before
    ? undefined
    : await makeDirectories(place).catch(cannotWrite(option, place.absolute));
  return inPlace(place, await openDirectory(option, place.real), before, made);
}

/** @param made - The outermost directory that had to be made: what a failure removes again. */
function inPlace(
  { absolute, real }: Pick<Place, 'absolute' | 'real'>,
  fd: number,
  before: Listing | undefined,
  made: string | undefined,
  closeFd?: () => void,
): OutputDirectory {
  const opened = output(absolute, real, fd, closeFd);
  return {
    ...opened,
    keepsLogs: true,
    keep: async () => {},
    discard: async (logs) => {
      const directory = opened.file('');
      for (const [name, state] of await listing(directory)) {
        if (logs.includes(name) || before?.get(name) === state) continue;
        // In a directory that others use as well, only what CRIU and we write.
        if (before && before.size > 0 && !written.test(name)) continue;
        await rm(join(directory, name), { recursive: true, force: true });
      }
      // Only empty ones go; a log that tells of the failure keeps its directory.
      for (let path = real; made && path.length >= made.length; path = dirname(path)) {
        if (
          !(await rmdir(path).then(
            () => true,
            () => false,
          ))
        )
          break;
      }
    },
  };
}

/** A sibling, so that the old images stay whole until the new ones are. */
async function openReplacement(
  option: string,
  { absolute, real: target }: Place,
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
        await rm(file(name), { force: true }); // what a re-used directory has there, also a link
        await writeFile(file(name), content, { mode: 0o600, flag: 'wx' });
      } catch (cause) {
        cannotWrite('imagePath', path)(cause as NodeJS.ErrnoException);
      }
    },
    // Of a directory nothing is left to be written, so this waits for nobody.
    close: () => {
      if (isOpen) closeFd();
      isOpen = false;
    },
  };
}

/** Refuses what has been put in the place of the directory since it was looked at. */
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
