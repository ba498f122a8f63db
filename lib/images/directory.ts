import { closeSync, constants, readlinkSync } from 'node:fs';
import { access, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CriuError, invalidArgValue } from '../base/errors.js';
import { openFd, writeFile } from '../base/files.js';
import { option as named, sentence } from '../base/sentence.js';
import { type LockSettings, lockFile } from '../locks/lock.js';
import { nativeAddon } from '../native/addon.js';
import type { FreshDirectory } from '../native/contract.js';
import { type Listing, listing, removeAdded, removeEmpty } from './listing.js';
import { isWrittenName } from './names.js';
import {
  cannotWrite,
  checkReplaceable,
  type DirectoryPath,
  makeDirectories,
  resolveDirectory,
} from './place.js';
import { refuseToLose, type SavedContainer } from './saved-container.js';
import { requireRegularFiles, type Writing } from './writing.js';

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
   * Removes what CRIU and we have added since the directory was opened. It is called after a failure.
   *
   * @param kept - Names of logs that stay.
   * @param logs - Names of all logs that the operation may have written.
   */
  discard(kept: readonly string[], logs?: readonly string[]): Promise<void>;
  /**
   * Closes it, but for a copy that criu gets, so that the lock is criu's from then on.
   *
   * @returns that copy, a descriptor of the addon.
   */
  handOver(): number;
  close(): void;
}

/** A directory that has been looked at and not been touched. It is locked, if it is there. */
export interface CheckedDirectory {
  /** Opens it, making it (mode 0700) and its parents if need be. */
  open(): Promise<OutputDirectory>;
  /**
   * Makes sure that CRIU can write its files into it.
   *
   * @throws CriuError `ERR_CRIU_IMAGES_DIR`
   */
  requireRegularFiles(writing: Writing): void;
  /** Gives it back, when it is not to be opened after all. */
  close(): void;
  /** Whether an option names the same directory. */
  leadsTo(other: DirectoryPath): boolean;
}

/** How a directory is looked at. */
export interface DirectorySettings {
  /**
   * What becomes of one that holds something: the caller's option, or undefined where the call has no
   * such option and it is refused.
   */
  existing: ExistingImages | undefined;
  /** Names that a former, failed try may have left and that do not count as content. */
  logs: readonly string[];
  lock?: LockSettings | undefined;
  /** The container that is to be saved; undefined for a process. */
  target?: SavedContainer | undefined;
}

/**
 * Looks at the directory that an option names, without touching anything. From before the look on it
 * is locked, so that what was seen stays as it is until the operation is over.
 *
 * @param option - The option's name, for errors.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file or a dangling symbolic link.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it cannot be written, has content and may not, or
 * another operation has it; `ERR_UNTRUSTED_PATH` when another user could have had a hand in it.
 */
export async function checkDirectory(
  option: string,
  path: string,
  settings: DirectorySettings,
): Promise<CheckedDirectory> {
  const place = await resolveDirectory(option, path);
  const leadsTo = ({ real }: DirectoryPath): boolean => real === place.real;
  if (!place.isThere) {
    const open = (): Promise<OutputDirectory> => openMissing(option, place, settings);
    return { open, requireRegularFiles: () => {}, close: () => {}, leadsTo };
  }
  const fd = await openLocked(option, place, settings.lock);
  return await closedOnFailure(fd, async () => {
    await checkWritable(option, path, fd);
    const before = await checkedContent(option, path, fd, settings);
    const close = (): void => closeSync(fd);
    if (settings.existing === 'replace' && isFull(before, settings.logs)) {
      await checkReplaceable(option, path, place);
      const open = () => closedOnFailure(fd, () => openReplacement(option, place, fd));
      return { open, requireRegularFiles: () => {}, close, leadsTo };
    }
    return {
      open: async () => inPlace(place, fd, before, undefined),
      requireRegularFiles: (writing: Writing) => requireRegularFiles(option, path, before, writing),
      close,
      leadsTo,
    };
  });
}

/**
 * Opens a directory of complete images to read them. Others may read them at the same time.
 *
 * @param writing - What CRIU writes into it; undefined for nothing.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it is missing, holds no images, cannot be written or is
 * being written; `ERR_UNTRUSTED_PATH` when another user could have had a hand in it.
 */
export async function openImages(
  option: string,
  path: string,
  writing: Writing | undefined,
  lock?: LockSettings,
): Promise<OutputDirectory> {
  const place = await resolveDirectory(option, path);
  if (!place.isThere) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The directory of ${named(option)} ${path} does not exist`,
    );
  }
  const fd = await openLocked(option, place, { ...lock, shared: true });
  return await closedOnFailure(fd, async () => {
    const before = await listing(pathOf(fd), place.isLocal);
    // CRIU writes the inventory last.
    if (!before.has('inventory.img')) {
      throw new CriuError(
        'ERR_CRIU_IMAGES_DIR',
        sentence`The directory of ${named(option)} ${path} holds no complete images: it has no
          inventory.img`,
      );
    }
    if (writing !== undefined) {
      await checkWritable(option, path, fd);
      requireRegularFiles(option, path, before, writing);
    }
    return inPlace(place, fd, before, undefined);
  });
}

/** Lists a directory, and refuses one that holds something and may not. */
async function checkedContent(
  option: string,
  path: string,
  fd: number,
  { existing, logs, target }: DirectorySettings,
): Promise<Listing> {
  const before = await listing(pathOf(fd));
  if (existing === 'reuse') await refuseToLose(option, path, pathOf(fd), target);
  if (!isFull(before, logs) || existing === 'replace' || existing === 'reuse') return before;
  const choice = existing === undefined ? '' : sentence`, or ${named('existing', 'replace')}`;
  throw new CriuError(
    'ERR_CRIU_IMAGES_DIR',
    sentence`The directory of ${named(option)} ${path} is not empty; give a fresh one${choice}`,
  );
}

/** Whether a directory holds more than logs. */
function isFull(content: Listing, logs: readonly string[]): boolean {
  return [...content.keys()].some((name) => !logs.includes(name));
}

async function checkWritable(option: string, path: string, fd: number): Promise<void> {
  await access(pathOf(fd), constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
}

function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

async function closedOnFailure<T>(fd: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
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

/** Takes over a directory that the addon has made, opened and locked. */
export function adoptFresh({ path }: FreshDirectory, fd: number): OutputDirectory {
  // In a worker thread Node.js warns of descriptors that it closes and has not opened.
  const close = (): void => nativeAddon().closeDescriptor(fd);
  return inPlace({ absolute: path, real: path }, fd, new Map(), path, close);
}

/** Makes and opens a directory that was not there. By then another operation may have made it. */
async function openMissing(
  option: string,
  place: DirectoryPath,
  settings: DirectorySettings,
): Promise<OutputDirectory> {
  const made = await makeDirectories(place).catch(cannotWrite(option, place.absolute));
  const fd = await openLocked(option, place, settings.lock);
  return await closedOnFailure(fd, async () => {
    // What another operation has made meanwhile is not there to be replaced.
    const existing = settings.existing === 'replace' ? 'refuse' : settings.existing;
    const before = await checkedContent(option, place.absolute, fd, { ...settings, existing });
    return inPlace(place, fd, before, made);
  });
}

/**
 * A directory that is written to in its final place.
 *
 * @param before - What was in it.
 * @param made - The outermost directory that had to be made, which a failure removes again.
 */
function inPlace(
  { absolute, real }: Pick<DirectoryPath, 'absolute' | 'real'>,
  fd: number,
  before: Listing,
  made: string | undefined,
  closeFd?: () => void,
): OutputDirectory {
  const directory = output(absolute, real, fd, closeFd);
  return {
    ...directory,
    keepsLogs: true,
    keep: async () => {},
    discard: async (kept, logs = []) => {
      const isOurs = (name: string): boolean => isWrittenName(name) || logs.includes(name);
      await removeAdded(directory.file(''), before, (name) => isOurs(name) && !kept.includes(name));
      if (made !== undefined) await removeEmpty(real, made);
    },
  };
}

/**
 * Makes a directory beside the one that is to be replaced, so that the old images stay whole until the
 * new ones are. The old directory stays locked until then.
 */
async function openReplacement(
  option: string,
  { absolute, real: target }: DirectoryPath,
  oldFd: number,
): Promise<OutputDirectory> {
  const unique = `${process.pid}.${process.hrtime.bigint().toString(36)}`;
  const fresh = join(dirname(target), `.${basename(target)}.new.${unique}`);
  const place = {
    absolute: fresh,
    real: fresh,
    isThere: false,
    isLocal: false,
    existing: dirname(fresh),
  };
  await makeDirectories(place).catch(cannotWrite(option, absolute));
  const fd = await openLocked(option, place, undefined).catch(async (error: unknown) => {
    await rmdir(fresh).catch(() => {});
    throw error;
  });
  const close = (): void => {
    closeSync(fd);
    closeSync(oldFd);
  };
  return {
    ...output(absolute, fresh, fd, close),
    keepsLogs: false,
    keep: async () => {
      try {
        nativeAddon().exchange(fresh, target);
      } catch (cause) {
        const there = readlinkSync(pathOf(fd));
        throw new CriuError(
          'ERR_CRIU_IMAGES_DIR',
          `The images are complete but cannot take the place of ${target}: they are in ${there}`,
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
): Pick<OutputDirectory, 'path' | 'fd' | 'file' | 'write' | 'handOver' | 'close'> {
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
    handOver: () => {
      const copy = nativeAddon().duplicate(fd);
      isOpen = false;
      closeFd();
      return copy;
    },
    // Nothing is left to be written to a directory, so that closing it waits for nobody.
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      // A copy that criu or the addon still has would keep the lock.
      nativeAddon().unlock(fd);
      closeFd();
    },
  };
}

/**
 * Opens a directory and takes its lock, and refuses what has been put in its place since it was looked
 * at, also while the lock was waited for.
 */
async function openLocked(
  option: string,
  { real, absolute }: DirectoryPath,
  lock: LockSettings = {},
): Promise<number> {
  const moved = (): Error => invalidArgValue(option, 'a directory that stays where it is', real);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const fd = await openFd(real, flags).catch((cause: NodeJS.ErrnoException) => {
    const isOther = cause.code === 'ELOOP' || cause.code === 'ENOTDIR' || cause.code === 'ENOENT';
    throw isOther ? moved() : cause;
  });
  return await closedOnFailure(fd, async () => {
    if (!(await lockFile(fd, lock))) {
      throw new CriuError(
        'ERR_CRIU_IMAGES_DIR',
        sentence`Another operation is using the directory of ${named(option)} ${absolute}; give
          another one, or ${named('wait', true)}`,
      );
    }
    if (readlinkSync(pathOf(fd)) !== real) throw moved();
    return fd;
  });
}
