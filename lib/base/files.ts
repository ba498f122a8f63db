import {
  close,
  fstat,
  open,
  read,
  readFile as readWhole,
  type Stats,
  writeFile as writeWhole,
} from 'node:fs';
import type fs from 'node:fs/promises';
import { promisify } from 'node:util';

// The functions of node:fs/promises hold a file as an object. When a worker thread is terminated while
// such an object is made, its descriptor stays open for as long as the process lives. Plain descriptors
// are closed with the thread.

/** As that of `node:fs/promises`. */
export const readFile = promisify(readWhole) as typeof fs.readFile;
/** As that of `node:fs/promises`. */
export const writeFile = promisify(writeWhole) as typeof fs.writeFile;

/** Opens a file, and gives its descriptor. One that is made has the mode, less what the umask takes. */
export const openFd = promisify(open) as (
  path: Buffer | string,
  flags: number | string,
  mode?: number,
) => Promise<number>;
/** What a descriptor refers to. */
export const statFd = promisify(fstat) as (fd: number) => Promise<Stats>;
/** Closes a descriptor, of a file that may be waited for. */
export const closeFd: (fd: number) => Promise<void> = promisify(close);

/** Reads a part of a file, at most to its end. */
export const readFd = promisify(read) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number; buffer: Buffer }>;
