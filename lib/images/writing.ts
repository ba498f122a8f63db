import { CriuError } from '../base/errors.js';
import { option as named, sentence } from '../base/sentence.js';
import type { FileKind } from '../linux/file-kind.js';
import type { Listing } from './listing.js';
import { isOurName, isWorkName, isWrittenName } from './names.js';

/** What an operation writes into a directory that was there before. */
export interface Writing {
  /** Whether the images go into it. */
  images: boolean;
  /** The names of the logs that go into it, CRIU's own first. What CRIU writes beside it goes there as well. */
  logs: readonly string[];
  /** Whether the caller can give CRIU's log another name, by `logFile`. */
  namesLog: boolean;
}

/** What goes into a directory of logs, where the caller can give that of CRIU another name. */
export function logOnly(...logs: readonly string[]): Writing {
  return { images: false, logs, namesLog: true };
}

/**
 * Refuses a directory that has something else than a regular file where CRIU will write to one. CRIU
 * opens files by their names: it would wait at a FIFO until somebody reads from it, write through a link,
 * and fail for the rest when the tasks are frozen.
 *
 * The directory has to be locked, and one that nobody else can write to.
 *
 * @param option - The option that names the directory, for errors.
 * @param path - The directory as it was asked for.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR`
 */
export function requireRegularFiles(
  option: string,
  path: string,
  content: Listing,
  { images, logs, namesLog }: Writing,
): void {
  const isWritten = (name: string): boolean =>
    logs.includes(name) || (images && isWrittenName(name)) || (logs.length > 0 && isWorkName(name));
  for (const [name, { kind }] of content) {
    if (!isWritten(name) || isNoObstacle(name, kind)) continue;
    const what = namesLog && name === logs[0] ? sentence`${named('logFile')} ${name}` : name;
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`${what} in the directory of ${named(option)} ${path} is ${kind}, where a
        regular file is to be written: remove it, or give another one`,
    );
  }
}

/** A link is made of the first, a socket of the second, and ours are removed before they are written. */
function isNoObstacle(name: string, kind: FileKind): boolean {
  if (name === 'parent' && kind === 'a directory') return true;
  if (name === 'parent' && kind === 'a symbolic link') return true;
  if (name === 'lazy-pages.socket' && kind === 'a socket') return true;
  return kind === 'a regular file' || (isOurName(name) && kind !== 'a directory');
}
