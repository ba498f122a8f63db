import { constants, readFileSync } from 'node:fs';
import { access, lstat, mkdir, readlink, realpath, rmdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { CriuError, invalidArgValue } from '../base/errors.js';

/** As many as the kernel follows. */
export const maxLinks = 40;

/** A path as it was found, without any links from then on. */
export interface Place {
  /** Absolute, as it was asked for. */
  absolute: string;
  /** Where it leads, or will lead when it has been made. */
  real: string;
  isThere: boolean;
  /** It, or the nearest directory above it that exists. */
  existing: string;
}

export async function locate(option: string, path: string): Promise<Place> {
  const absolute = resolve(path);
  const unusable = (error: NodeJS.ErrnoException): undefined => {
    if (error.code === 'ENOENT') return undefined;
    throw invalidArgValue(option, 'the path of a directory', path, error.code ?? error.message);
  };
  const found = await realpath(absolute).catch(unusable);
  if (found !== undefined) {
    if (found !== absolute) await refuseForeignLinks(option, absolute, path);
    return { absolute, real: found, isThere: true, existing: found };
  }
  for (let above = absolute; ; ) {
    const [link, parent] = await Promise.all([
      lstat(above).catch(unusable),
      realpath(dirname(above)).catch(unusable),
    ]);
    if (link) await refuseForeignLinks(option, above, path); // a dangling one
    above = dirname(above);
    if (parent === undefined) continue;
    if (parent !== above) await refuseForeignLinks(option, above, path);
    return {
      absolute,
      real: join(parent, relative(above, absolute)),
      isThere: false,
      existing: parent,
    };
  }
}

/**
 * Looks at the directory of the previous images.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` when it is absolute, missing or not a directory.
 */
export async function checkParentPath(imagePath: string, parentPath: string): Promise<void> {
  const expected = 'the path of a directory relative to imagePath';
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

/** What would keep the new images from taking the place of the old ones, once it is too late. */
export async function checkReplaceable(
  option: string,
  path: string,
  { real }: Place,
): Promise<void> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  // mountinfo writes blanks and backslashes as three octal digits.
  const escaped = real.replace(
    /[ \t\n\\]/g,
    (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  if (mounts.some((line) => line.split(' ')[4] === escaped)) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `The directory of ${option} ${path} is a mount point, which existing: 'replace' cannot replace`,
    );
  }
  await access(dirname(real), constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
}

/** Refuses with the cause of the system call. */
export function cannotWrite(option: string, path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `Cannot write to ${option} ${path} (${cause.code})`,
      { cause },
    );
  };
}

/** A link that somebody else planted (in /tmp, say) would have root write where they like. */
export async function refuseForeignLinks(
  option: string,
  absolute: string,
  given: string,
): Promise<void> {
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
    // Links that this one leads through count as well.
    const target = await readlink(next);
    if (target.startsWith('/')) path = '/';
    rest = [...target.split('/'), ...rest];
  }
}

/**
 * Makes a directory and its parents, and gives the outermost that it made. Node's own recursive
 * mkdir never ends where a file system answers ENOENT for a new name, as /proc does.
 */
export async function makeDirectories({ real, existing }: Place): Promise<string | undefined> {
  const missing: string[] = [];
  for (let path = real; path !== existing; path = dirname(path)) missing.unshift(path);
  const made: string[] = [];
  try {
    for (const path of missing) {
      const isNew = await mkdir(path, { mode: 0o700 }).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          // Another operation may be making the same parents.
          if (error.code !== 'EEXIST' || path === real) throw error;
          return false;
        },
      );
      if (isNew) made.unshift(path);
    }
  } catch (error) {
    for (const path of made) await rmdir(path).catch(() => {});
    throw error;
  }
  return made.at(-1);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
