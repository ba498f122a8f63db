import { closeSync, constants, ftruncateSync, rmSync, type Stats, writeSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errnoOf, invalidArgValue } from '../base/errors.js';
import { closeFd, openFd, statFd } from '../base/files.js';
import { isShortage } from '../base/shortage.js';
import { kindOf } from '../linux/file-kind.js';
import { requireTrusted } from '../linux/trusted.js';

/** A file that gets the id of a process once that is there. */
export interface PidFile {
  write: (pid: number) => void;
  /** Removes a file that was made and not written to. Can be called again. */
  close: () => void;
}

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

/**
 * Opens it beforehand, so that it cannot be missing afterwards. What it has is left until it is written.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` where no regular file is or can be made.
 * @throws CriuError `ERR_UNTRUSTED_PATH` where another user could put a file in its place.
 */
export async function openPidFile(path: string): Promise<PidFile> {
  const wasThere = await checkPidFile(path);
  // Nothing is waited for, whatever has been put there since.
  const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const fd = await openFd(path, flags).catch((error: unknown) => refuse(path, error));
  try {
    requireRegular(path, await statFd(fd));
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
  let isWritten = false;
  let isOpen = true;
  return {
    write: (pid) => {
      ftruncateSync(fd);
      writeSync(fd, `${pid}\n`);
      isWritten = true;
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      closeSync(fd);
      if (!isWritten && !wasThere) rmSync(path, { force: true });
    },
  };
}

/**
 * Makes sure that a pid file can be written, by whoever does so.
 *
 * @returns whether it is there already.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` where something else is than a regular file.
 * @throws CriuError `ERR_UNTRUSTED_PATH` where another user could put a file in its place.
 */
export async function checkPidFile(path: string): Promise<boolean> {
  await requireTrusted('the pid file', path);
  const stats = await lstat(path).catch((error: unknown) =>
    errnoOf(error) === 'ENOENT' ? undefined : refuse(path, error),
  );
  if (stats !== undefined) requireRegular(path, stats);
  return stats !== undefined;
}

function requireRegular(path: string, stats: Stats): void {
  if (!stats.isFile()) throw notWritable(path, `it is ${kindOf(stats)}`);
}

function refuse(path: string, error: unknown): never {
  const code = errnoOf(error);
  if (code === undefined || isShortage(code)) throw error;
  throw notWritable(path, code);
}

function notWritable(path: string, reason: string): Error {
  return invalidArgValue('pidFile', 'the path of a new or regular file', path, reason);
}
