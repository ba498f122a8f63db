import type { StatsFs } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../base/errors.js';

const tmpfsMagic = 0x01021994;

/**
 * The directory in which a criu program keeps what it knows of the kernel. It is compiled into it.
 *
 * @param program - The content of its file, or a piece of it.
 * @returns undefined when it names none.
 */
export function kernelDataDirectory(program: Buffer): string | undefined {
  const end = program.indexOf('/criu.kdat\0');
  if (end < 0) return undefined;
  return program.subarray(program.lastIndexOf(0, end) + 1, end).toString('utf8');
}

/** Whether a directory is on a tmpfs, or would be if it were made: CRIU keeps nothing elsewhere. */
export async function isOnTmpfs(directory: string): Promise<boolean> {
  for (let path = directory; ; path = dirname(path)) {
    const found = await statfs(path).catch((error: unknown) => error);
    // Another user cannot look into a directory of root's.
    if (errnoOf(found) === 'EACCES') return true;
    if (!(found instanceof Error)) return (found as StatsFs).type === tmpfsMagic;
    if (path === dirname(path)) return false;
  }
}

/**
 * Makes the directory in which a criu program keeps what it knows of the kernel: where that is a tmpfs
 * it is gone after a boot, and CRIU makes none. Without it each dump takes longer, and that is all.
 */
export async function makeKernelDataDirectory(directory: string): Promise<void> {
  try {
    if (await isOnTmpfs(directory)) await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch {
    // Nobody but root may, and nobody but root can dump.
  }
}
