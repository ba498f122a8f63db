import { constants } from 'node:fs';
import { access, lstat, mkdir, readlink, realpath, rmdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import { option as named, sentence } from '../base/sentence.js';
import { ownMounts } from '../linux/mountinfo.js';
import { exists } from '../linux/paths.js';

/** Linux follows as many symbolic links in one path. */
const maxLinks = 40;

/** The directory that an option names, with where its path leads. */
export interface DirectoryPath {
  /** The absolute form of the path that was asked for. */
  absolute: string;
  /** The same without links: where the directory is, or will be when it has been made. */
  real: string;
  isThere: boolean;
  /** The directory itself, or the nearest one above it that exists, without links. */
  existing: string;
}

/**
 * Finds where the path of a directory leads.
 *
 * @param option - The option that names it, for errors.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a path that no directory can have, or that leads
 * through a symbolic link of another user.
 */
export async function resolveDirectory(option: string, path: string): Promise<DirectoryPath> {
  const absolute = resolve(path);
  const unlessMissing = (error: NodeJS.ErrnoException): undefined => {
    if (error.code === 'ENOENT') return undefined;
    throw invalidArgValue(option, 'the path of a directory', path, error.code ?? error.message);
  };
  const real = await realpath(absolute).catch(unlessMissing);
  if (real !== undefined) {
    if (real !== absolute) await refuseForeignLinks(option, absolute, path);
    return { absolute, real, isThere: true, existing: real };
  }
  for (let above = absolute; ; ) {
    const [entry, parent] = await Promise.all([
      lstat(above).catch(unlessMissing),
      realpath(dirname(above)).catch(unlessMissing),
    ]);
    // What is there although its real path is missing is a link to nothing.
    if (entry) await refuseForeignLinks(option, above, path);
    above = dirname(above);
    if (parent === undefined) continue;
    if (parent !== above) await refuseForeignLinks(option, above, path);
    const missing = relative(above, absolute);
    return { absolute, real: join(parent, missing), isThere: false, existing: parent };
  }
}

/**
 * Looks at the directory of the previous images.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` when it is absolute, missing or not a directory.
 */
export async function checkParentPath(imagePath: string, parentPath: string): Promise<void> {
  const expected = sentence`the path of a directory relative to ${named('imagePath')}`;
  if (isAbsolute(parentPath)) {
    throw invalidArgValue('parentPath', expected, parentPath, 'it must be relative');
  }
  const found = await stat(join(resolve(imagePath), parentPath)).catch(() => undefined);
  if (!found)
    throw invalidArgValue('parentPath', expected, parentPath, 'there is no such directory');
  if (!found.isDirectory()) {
    throw invalidArgValue('parentPath', expected, parentPath, 'it is not a directory');
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
 * Refuses a path that leads through symbolic links of other users: a link that somebody planted, in
 * /tmp for instance, would have root write where that user likes.
 */
async function refuseForeignLinks(option: string, absolute: string, given: string): Promise<void> {
  const us = process.geteuid?.();
  let path = '/';
  let rest = absolute.split('/');
  for (let links = 0; rest.length > 0; ) {
    const [part = '', ...tail] = rest;
    rest = tail;
    const next = join(path, part);
    const link = await lstat(next).catch(() => undefined);
    if (!link?.isSymbolicLink()) {
      path = next;
      continue;
    }
    if (link.uid !== 0 && link.uid !== us) {
      const reason = `${next} is a symbolic link made by user ${link.uid}`;
      throw invalidArgValue(option, 'a path without links of other users', given, reason);
    }
    links += 1;
    if (links > maxLinks || !(await exists(next))) {
      const reason = `${next} is a symbolic link to nothing`;
      throw invalidArgValue(option, 'the path of a directory', given, reason);
    }
    // The links that this one leads through are looked at as well.
    const target = await readlink(next);
    if (target.startsWith('/')) path = '/';
    rest = [...target.split('/'), ...rest];
  }
}

/**
 * Makes a directory and its parents, all with mode 0700. Node's own recursive mkdir never ends where a
 * file system answers ENOENT for a new name, as /proc does.
 *
 * @returns the outermost directory that was made.
 */
export async function makeDirectories({
  real,
  existing,
}: DirectoryPath): Promise<string | undefined> {
  const missing: string[] = [];
  for (let path = real; path !== existing; path = dirname(path)) missing.unshift(path);
  const made: string[] = [];
  try {
    for (const path of missing) {
      // Another operation may be making the same parents.
      const mayExist = path !== real;
      if (await makeDirectory(path, mayExist)) made.unshift(path);
    }
  } catch (error) {
    for (const path of made) await rmdir(path).catch(() => {});
    throw error;
  }
  return made.at(-1);
}

/** @returns whether the directory was made, and was not there already. */
async function makeDirectory(path: string, mayExist: boolean): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (mayExist && errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}
