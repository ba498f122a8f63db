import { closeSync, constants, fchmod, fchown, futimes, mkdir, write } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../base/errors.js';
import { openFd } from '../base/files.js';
import { entryPath } from '../linux/remove-tree.js';
import { type Bytes, piecesOf } from './bytes.js';
import { refuseMember } from './fault.js';

const writePart = promisify(write) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
) => Promise<{ bytesWritten: number }>;
const makeDirectory = promisify(mkdir) as (path: Buffer, mode: number) => Promise<void>;
export const changeMode: (fd: number, mode: number) => Promise<void> = promisify(fchmod);
export const changeOwner: (fd: number, uid: number, gid: number) => Promise<void> =
  promisify(fchown);
export const changeTimes: (fd: number, atime: number, mtime: number) => Promise<void> =
  promisify(futimes);

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_WRONLY, O_CREAT, O_EXCL } = constants;

/** Where a member of an archive is: the directory that it is in, held open, and its name there. */
export interface Place {
  directory: number;
  /** One character for each byte. */
  name: string;
}

/**
 * A directory that an archive is unpacked to. Every component of a path is opened below the one before
 * it and without following links, so that nothing that the archive has made leads outside.
 *
 * Paths have one character for each byte, as latin1 has.
 */
export class Tree {
  readonly root: number;
  /** The directory of the last member: most members come in the order of their directories. */
  #last: { path: string; fd: number } | undefined;

  /** @param root - Of the directory, which stays open. */
  constructor(root: number) {
    this.root = root;
  }

  /**
   * Finds where a member belongs. The directory stays open until the next call.
   *
   * @param makeMode - The mode of directories on the way that are not there; without one they are not
   * made, and the result is undefined.
   */
  async place(path: string, makeMode?: number): Promise<Place | undefined> {
    const end = path.lastIndexOf('/');
    const parent = end === -1 ? '' : path.slice(0, end);
    const name = path.slice(end + 1);
    if (parent === '') return { directory: this.root, name };
    if (this.#last?.path !== parent) {
      this.forget();
      const fd = await this.#open(parent, makeMode);
      if (fd === undefined) return undefined;
      this.#last = { path: parent, fd };
    }
    return { directory: this.#last.fd, name };
  }

  /** Closes what is open but for the root: to be called when a directory may have been replaced. */
  forget(): void {
    if (this.#last) closeSync(this.#last.fd);
    this.#last = undefined;
  }

  async #open(path: string, makeMode: number | undefined): Promise<number | undefined> {
    let at = this.root;
    for (const name of path.split('/')) {
      const next = await openBelow(at, name, makeMode, path).finally(() => {
        if (at !== this.root) closeSync(at);
      });
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }
}

async function openBelow(
  directory: number,
  name: string,
  makeMode: number | undefined,
  path: string,
): Promise<number | undefined> {
  const entry = entryPath(directory, name);
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  try {
    return await openFd(entry, flags).catch(async (error: unknown) => {
      if (errnoOf(error) !== 'ENOENT' || makeMode === undefined) throw error;
      await makeDirectory(entry, makeMode);
      return await openFd(entry, flags);
    });
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'ENOTDIR') {
      refuseMember(path, `leads through ${shownName(name)}, which is a link or a file`);
    }
    throw error;
  }
}

function shownName(name: string): string {
  return JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'));
}

/** Makes a file that was not there, and opens it for writing. */
export function createFile({ directory, name }: Place): Promise<number> {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  return openFd(entryPath(directory, name), flags);
}

/** Writes all that there is to an open file. */
export async function writeAll(fd: number, content: Bytes): Promise<void> {
  for await (const piece of piecesOf(content)) {
    for (let at = 0; at < piece.length; ) {
      at += (await writePart(fd, piece, at, piece.length - at)).bytesWritten;
    }
  }
}
