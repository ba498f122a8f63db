import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, rmdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import { option as named, sentence } from '../base/sentence.js';
import { isShortage } from '../base/shortage.js';
import { ownMounts } from '../linux/mountinfo.js';
import { inspectOwnership } from '../linux/ownership.js';
import { exists } from '../linux/paths.js';

/** The directory that an option names, with where its path leads. */
export interface DirectoryPath {
  /** The absolute form of the path that was asked for. */
  absolute: string;
  /** The same without links: where the directory is, or will be when it has been made. */
  real: string;
  isThere: boolean;
  /** Whether to look into it waits for no server. */
  isLocal: boolean;
  /** The directory itself, or the nearest one above it that exists, without links. */
  existing: string;
}

/** What the machine lacks is not a path's fault, and is thrown as it is. */
function throwShortage(error: unknown): void {
  if (isShortage(errnoOf(error))) throw error;
}

/**
 * Finds where the path of a directory leads, and refuses one that another user could have chosen or
 * could change: root would write where that user likes, or restore what that user has written.
 *
 * @param option - The option that names it, for errors.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a path that no directory can have.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user could have had a hand in it.
 */
export async function resolveDirectory(option: string, path: string): Promise<DirectoryPath> {
  const absolute = resolve(path);
  const refuse = (reason: string): never => {
    throw invalidArgValue(option, 'the path of a directory', path, reason);
  };
  const report = await inspectOwnership(absolute, { mayBeMissing: true }).catch(
    (error: NodeJS.ErrnoException) => {
      throwShortage(error);
      const isNoDirectory = error.code === 'ENOTDIR';
      return refuse(isNoDirectory ? 'it leads through a file' : (error.code ?? error.message));
    },
  );
  try {
    const { real, missing, reason, stats, isLocal } = report;
    if (reason !== undefined) {
      const whose = sentence`the directory of ${named(option)} ${path}`;
      throw new CriuError('ERR_UNTRUSTED_PATH', sentence`Cannot trust ${whose}: ${reason}`);
    }
    if (!stats.isDirectory()) refuse('it is not a directory');
    const dangling = missing.length > 0 ? await danglingLink(absolute) : undefined;
    if (dangling !== undefined) refuse(`${dangling} is a symbolic link to nothing`);
    const isThere = missing.length === 0;
    return { absolute, real: join(real, ...missing), isThere, isLocal, existing: real };
  } finally {
    report.close();
  }
}

/** The symbolic link to nothing in which a path ends that leads nowhere. */
async function danglingLink(absolute: string): Promise<string | undefined> {
  for (let path = absolute; path !== '/'; path = dirname(path)) {
    const entry = await lstat(path).catch(() => undefined);
    if (entry) return entry.isSymbolicLink() && !(await exists(path)) ? path : undefined;
  }
  return undefined;
}

/**
 * Looks at the directory of the previous images.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` when it is absolute, missing or not a directory.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user could have written its images.
 */
export async function checkParentPath(imagePath: string, parentPath: string): Promise<void> {
  const expected = sentence`the path of a directory relative to ${named('imagePath')}`;
  if (isAbsolute(parentPath)) {
    throw invalidArgValue('parentPath', expected, parentPath, 'it must be relative');
  }
  const report = await inspectOwnership(join(resolve(imagePath), parentPath)).catch(throwShortage);
  if (report === undefined) {
    throw invalidArgValue('parentPath', expected, parentPath, 'there is no such directory');
  }
  try {
    if (!report.stats.isDirectory()) {
      throw invalidArgValue('parentPath', expected, parentPath, 'it is not a directory');
    }
    if (report.reason === undefined) return;
    const whose = sentence`the directory of ${named('parentPath')} ${parentPath}`;
    throw new CriuError('ERR_UNTRUSTED_PATH', sentence`Cannot trust ${whose}: ${report.reason}`);
  } finally {
    report.close();
  }
}

/**
 * Refuses to replace images where that could not be done: it would be known only when the new images
 * are complete and the tasks are gone.
 *
 * @throws CriuError `ERR_CRIU_IMAGES_DIR`
 */
export async function checkReplaceable(
  option: string,
  path: string,
  { real }: DirectoryPath,
): Promise<void> {
  if (ownMounts().some(({ mountpoint }) => mountpoint === real)) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The directory of ${named(option)} ${path} is a mount point, which
        ${named('existing', 'replace')} cannot replace`,
    );
  }
  await access(dirname(real), constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
}

/** Gives a function that refuses a directory for the cause of a system call that failed. */
export function cannotWrite(option: string, path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`Cannot write to ${named(option)} ${path} (${cause.code ?? cause.message})`,
      { cause },
    );
  };
}

/**
 * Makes a directory and its parents, all with mode 0700 whatever the umask is. One that another
 * operation makes at the same time is taken as it is. Node's own recursive mkdir never ends where a
 * file system answers ENOENT for a new name, as /proc does.
 *
 * @returns the outermost directory that was made; undefined when all of them were there.
 */
export async function makeDirectories({
  real,
  existing,
}: DirectoryPath): Promise<string | undefined> {
  const missing: string[] = [];
  for (let path = real; path !== existing; path = dirname(path)) missing.unshift(path);
  const made: string[] = [];
  try {
    for (const path of missing) if (await makeDirectory(path)) made.unshift(path);
  } catch (error) {
    for (const path of made) await rmdir(path).catch(() => {});
    throw error;
  }
  return made.at(-1);
}

/** @returns whether the directory was made, and was not there already. */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
  // The umask may have taken away what we need ourselves.
  await chmod(path, 0o700);
  return true;
}
