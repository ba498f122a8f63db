import { closeSync, constants, fchmod, fsync, link, rename, unlink, write } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import { closeFd, openFd } from '../base/files.js';
import { option, sentence } from '../base/sentence.js';
import { inspectOwnership } from '../linux/ownership.js';
import { writeFailure } from './failure.js';

/** Where an archive is written. */
export interface Target {
  /** What is written to. It is ended when all is written. */
  readonly stream: Writable;
  /** What it is called in sentences. */
  readonly name: string;
  /** The absolute path that it will have; undefined for a stream of the caller. */
  readonly path: string | undefined;
  /** Has what was written reach the disk. To be called when the stream has finished. */
  sync(): Promise<void>;
  /**
   * Gives the archive its name.
   *
   * @throws CriuError `ERR_ARCHIVE_WRITE`
   */
  keep(): Promise<void>;
  /** Takes away what was written, unless it was kept, and closes what is open. */
  close(): Promise<void>;
}

const changeMode = promisify(fchmod);
const syncFd = promisify(fsync);
const writeFd = (fd: number, buffer: Buffer, offset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const done = (error: Error | null, length: number): void =>
      error === null ? resolve(length) : reject(error);
    write(fd, buffer, offset, buffer.length - offset, null, done);
  });
const linkFile = promisify(link);
const renameFile = promisify(rename);
const unlinkFile = promisify(unlink);

/** A stream that the caller has. What becomes of what was written to it is the reader's affair. */
export function streamTarget(stream: Writable): Target {
  return {
    stream,
    name: 'the stream',
    path: undefined,
    sync: async () => {},
    keep: async () => {},
    close: async () => {},
  };
}

/**
 * An open file without a name.
 *
 * @param name - What it is called in sentences.
 * @param see - Gets all that is written.
 */
export function nameless(fd: number, name: string, see: (part: Buffer) => unknown): Target {
  const stream = new FileStream(fd, see);
  return {
    stream,
    name,
    path: undefined,
    sync: async () => {},
    keep: async () => {},
    close: async () => {},
  };
}

/**
 * A file, which has its name only when it is complete. Its directory is opened once, and everything
 * is done by that descriptor.
 *
 * @param name - The option or argument, for errors.
 * @param replaces - Whether a file of that name may be there.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a path that no file can have.
 * @throws CriuError `ERR_ARCHIVE_WRITE` when there is something already or it cannot be written,
 * `ERR_UNTRUSTED_PATH` when another user can write to the directory.
 */
export async function openFileTarget(
  name: string,
  path: string,
  replaces: boolean,
): Promise<Target> {
  const unique = `${process.pid}.${process.hrtime.bigint().toString(36)}`;
  const hidden = `.${basename(path).slice(0, 200)}.${unique}.partial`;
  const directory = await openDirectoryOf(name, path, hidden);
  const inDirectory = (file: string): string => join(`/proc/self/fd/${directory}`, file);
  const final = inDirectory(basename(path));
  const partial = inDirectory(hidden);
  let fd: number;
  try {
    await requireFree(name, path, final, replaces);
    fd = await openPrivate(partial).catch((cause: unknown) => {
      throw writeFailure(path, cause);
    });
  } catch (error) {
    closeSync(directory);
    throw error;
  }
  let isThere = true;
  const stream = new FileStream(fd);
  const close = async (): Promise<void> => {
    stream.destroy();
    await stream.settled;
    await closeFd(fd);
    if (isThere) await unlinkFile(partial).catch(() => {});
    closeSync(directory);
  };
  return {
    stream,
    name: path,
    path,
    sync: () => syncFd(fd),
    keep: async () => {
      try {
        // A second name is refused where there is a file, whenever that has come.
        await (replaces ? renameFile(partial, final) : linkFile(partial, final));
        if (!replaces) await unlinkFile(partial);
        isThere = false;
        await syncFd(directory);
      } catch (cause) {
        throw writeFailure(path, cause);
      }
    },
    close,
  };
}

/** Writes to a descriptor, which it leaves open. Node's own stream closes it when it is destroyed. */
class FileStream extends Writable {
  readonly #fd: number;
  readonly #see: (part: Buffer) => unknown;
  /** Settles when no system call is under way. */
  settled: Promise<void> = Promise.resolve();

  constructor(fd: number, see: (part: Buffer) => unknown = () => {}) {
    super({ highWaterMark: 1 << 20 });
    this.#fd = fd;
    this.#see = see;
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this.#see(chunk);
    const written = this.#writeAll(chunk);
    this.settled = written.catch(() => {});
    written.then(() => callback(), callback);
  }

  async #writeAll(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) at += await writeFd(this.#fd, chunk, at);
  }
}

/**
 * Opens the directory in which a file is to be made. One that everybody can write to will do if nobody
 * can take away there what is another's, as in /tmp.
 */
async function openDirectoryOf(name: string, path: string, partial: string): Promise<number> {
  const missing = (): Error => invalidArgValue(name, 'a file in a directory that exists', path);
  const inIt = join(dirname(path), partial);
  const report = await inspectOwnership(inIt, { mayBeMissing: true }).catch((error: unknown) => {
    throw errnoOf(error) === 'ENOTDIR' ? missing() : writeFailure(path, error);
  });
  try {
    if (report.missing.length > 1) throw missing();
    if (report.reason !== undefined) {
      const whose = sentence`the directory of ${option(name)} ${path}`;
      throw new CriuError('ERR_UNTRUSTED_PATH', sentence`Cannot trust ${whose}: ${report.reason}`);
    }
    const flags = constants.O_RDONLY | constants.O_DIRECTORY;
    return await openFd(`/proc/self/fd/${report.fd}`, flags);
  } finally {
    report.close();
  }
}

/** Refuses what is no file, or may not be replaced. */
async function requireFree(
  name: string,
  path: string,
  final: string,
  replaces: boolean,
): Promise<void> {
  const there = await lstat(final).catch((cause: unknown) => {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw writeFailure(path, cause);
  });
  if (there === undefined) return;
  if (!there.isFile()) throw invalidArgValue(name, 'the path of a file', path, 'it is not a file');
  if (replaces) return;
  throw new CriuError(
    'ERR_ARCHIVE_WRITE',
    sentence`The file of ${option(name)} ${path} exists already; give a fresh one, or
      ${option('existing', 'replace')}`,
  );
}

/** Makes a file that nobody else may read, whatever the umask is. */
async function openPrivate(path: string): Promise<number> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = await openFd(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  await changeMode(fd, 0o600);
  return fd;
}
