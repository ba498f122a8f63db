import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { errnoOf } from '../base/errors.js';

/** Whether a system call has failed because its path leads to nothing, as one may that somebody has configured. */
export function leadsNowhere(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(errnoOf(error) ?? '');
}

/** Whether a path leads to something. A path that cannot be looked at counts as leading nowhere. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether a path leads to a regular file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** Whether a path leads to a regular file that this user may execute. */
export async function isExecutable(path: string): Promise<boolean> {
  if (!(await isFile(path))) return false;
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Looks for a name in directories, one after the other.
 *
 * @param fits - What is looked for: {@link isExecutable} passes over what cannot be executed, as the
 * kernel's callers do that go through `PATH`; with {@link isFile} that is found as well.
 * @returns the first path that fits.
 */
export async function findIn(
  directories: readonly string[],
  name: string,
  fits: (path: string) => Promise<boolean>,
): Promise<string | undefined> {
  for (const directory of directories) {
    const path = join(directory, name);
    if (await fits(path)) return path;
  }
  return undefined;
}

/**
 * The program that a process of this system with this `PATH` starts: the first that can be executed.
 *
 * @param path - Its directories that are not absolute are passed over.
 * @param systemRoot - Where the system's root directory is.
 */
export async function findProgram(
  path: string,
  name: string,
  systemRoot: string,
): Promise<string | undefined> {
  const directories = path.split(delimiter).filter(isAbsolute);
  return await findIn(
    directories.map((directory) => join(systemRoot, directory)),
    name,
    isExecutable,
  );
}

/** Whether a path leads to a directory. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Whether an absolute path is `base` or lies below it. Both have to be without links and dots. */
export function isBelow(path: string, base: string): boolean {
  return base === '/' || path === base || path.startsWith(`${base}/`);
}

/** A path as it is shown in a sentence, which stays one line whatever bytes the path has. */
export function shownPath(path: string): string {
  return JSON.stringify(path).slice(1, -1).replaceAll('\\"', '"');
}
