import { fstatSync, openSync, readlink, readlinkSync, type Stats, statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { openFd, statFd } from '../base/files.js';

const readLink = promisify(readlink) as (path: Buffer, encoding: 'latin1') => Promise<string>;

/** The calls by which a path is walked. */
export interface WalkCalls {
  /** Whether to open something as a directory may have it mounted. */
  readonly canMount: boolean;
  open(path: Buffer | string, flags: number): Promise<number>;
  stat(fd: number): Promise<Stats>;
  readLink(path: Buffer): Promise<string>;
  fileSystem(fd: number): Promise<number>;
}

/** What may wait for a server does so on a thread of libuv's pool. */
export const waiting: WalkCalls = {
  canMount: true,
  open: openFd,
  stat: statFd,
  readLink: (path) => readLink(path, 'latin1'),
  fileSystem: async (fd) => (await statfs(`/proc/self/fd/${fd}`)).type,
};

/** The same at once: there are more than twenty of these on the way to one file. */
export const atOnce: WalkCalls = {
  canMount: false,
  open: async (path, flags) => openSync(path, flags),
  stat: async (fd) => fstatSync(fd),
  readLink: async (path) => readlinkSync(path, 'latin1'),
  fileSystem: async (fd) => statfsSync(`/proc/self/fd/${fd}`).type,
};
