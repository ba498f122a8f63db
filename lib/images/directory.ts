import { closeSync, constants, open, readFileSync, readlinkSync } from 'node:fs';
import {
  access,
  lstat,
  mkdir,
  readdir,
  readlink,
  realpath,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CriuError, invalidArgValue } from '../base/errors.js';
import { type FreshDirectory, nativeAddon } from '../native/addon.js';

/** What a dump writes, besides its log. */
const written =
  /\.img$|^stats-(?:dump|restore)$|^descriptors\.json$|^libcriu\.json$|^irmap-cache$|^parent$|^tmp-/;
/** Images directories that operations of this thread write to now. */
const inUse = new Set<string>();
/** A bare descriptor, which is closed without a turn of the pool. */
const openFd = promisify(open) as (path: string, flags: number) => Promise<number>;
/** As many as the kernel follows. */
const maxLinks = 40;

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
 * @param logs - Names that a former, failed try may have left and that do not count as content.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a file, a dangling or another user's symbolic link.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when it cannot be written, or has content and may not.
 */
export async function checkDirectory(
  option: string,
  path: string,
  existing: ExistingImages,
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
  if (content.length > 0 && existing === 'refuse') {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `The directory of ${option} ${path} is not empty; give a fresh one, or overwrite: true`,
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

/** A path as it was found, without any links from then on. */
interface Place {
  /** Absolute, as it was asked for. */
  absolute: string;
  /** Where it leads, or will lead when it has been made. */
  real: string;
  isThere: boolean;
  /** It, or the nearest directory above it that exists. */
  existing: string;
}

async function locate(option: string, path: string): Promise<Place> {
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
async function checkReplaceable(option: string, path: string, { real }: Place): Promise<void> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  // mountinfo writes blanks and backslashes as three octal digits.
  const escaped = real.replace(
    /[ \t\n\\]/g,
    (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  if (mounts.some((line) => line.split(' ')[4] === escaped)) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `The directory of ${option} ${path} is a mount point, which overwrite cannot replace`,
    );
  }
  await access(dirname(real), constants.W_OK | constants.X_OK).catch(cannotWrite(option, path));
}

/** Refuses with the cause of the system call. */
function cannotWrite(option: string, path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      `Cannot write to ${option} ${path} (${cause.code})`,
      { cause },
    );
  };
}

/** A link that somebody else planted (in /tmp, say) would have root write where they like. */
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
    // Links that this one leads through count as well.
    const target = await readlink(next);
    if (target.startsWith('/')) path = '/';
    rest = [...target.split('/'), ...rest];
  }
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

/**
 * Makes a directory and its parents, and gives the outermost that it made. Node's own recursive
 * mkdir never ends where a file system answers ENOENT for a new name, as /proc does.
 */
async function makeDirectories({ real, existing }: Place): Promise<string | undefined> {
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
