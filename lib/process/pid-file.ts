import { closeSync, constants, rmSync, writeSync } from 'node:fs';
import { openFd } from '../base/files.js';
import { requireTrusted } from '../linux/trusted.js';

/** A file that gets the id of a process once that is there. */
export interface PidFile {
  write: (pid: number) => void;
  /** Removes a file that was not written to. Can be called again. */
  close: () => void;
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

/**
 * Opens it beforehand, so that it cannot be missing afterwards.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` where another user could put a file in its place.
 */
export async function openPidFile(path: string): Promise<PidFile> {
  await requireTrusted('the pid file', path);
  const fd = await openFd(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  let isWritten = false;
  let isOpen = true;
  return {
    write: (pid) => {
      writeSync(fd, `${pid}\n`);
      isWritten = true;
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      closeSync(fd);
      if (!isWritten) rmSync(path, { force: true });
    },
  };
}
