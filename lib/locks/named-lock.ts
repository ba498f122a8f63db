import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { CriuError, errnoOf } from '../base/errors.js';
import type { Release } from '../base/scope.js';
import { type LockSettings, lockFile } from './lock.js';

/** The directories that lead to the lock files. Only root reaches them, so that nobody else can hold a lock. */
const runDirectory = '/run/libcriu';
const lockDirectory = join(runDirectory, 'locks');
/** In bytes; a hash in its place has no `%` that could be one of a key. */
const longestName = 200;

/**
 * Takes the lock of something that has no file of its own to lock: a container, or a cgroup, whose
 * files the container can open and lock as well.
 *
 * @param kind - What it is: `container`, `cgroup`.
 * @param key - What tells it from all others of its kind on this machine.
 * @returns what gives it back; undefined when somebody else has it.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when the directory of the locks is not root's alone.
 */
export async function takeNamedLock(
  kind: string,
  key: string,
  settings: LockSettings,
): Promise<Release | undefined> {
  makeLockDirectory();
  const path = join(lockDirectory, `${kind}-${fileName(key)}`);
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(path, flags, 0o600);
    try {
      if (!(await lockFile(fd, settings))) {
        closeSync(fd);
        return undefined;
      }
      if (isAt(fd, path)) return () => release(fd, path);
      // Its former holder has removed it, and others lock the next one.
      closeSync(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/** A key as the name of a file, which tells what is locked. */
function fileName(key: string): string {
  const name = Buffer.from(key)
    .toString('latin1')
    .replace(/[^\w.-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
  // With its kind it is no longer than a name may be.
  if (name.length <= longestName) return name;
  // Few keys are as long as that, and node:crypto is slow to load.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(key).digest('hex');
}

/** The file goes with its lock: there are as many files as there are locks. */
function release(fd: number, path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody has tidied up. What counts is the lock.
  }
  closeSync(fd);
}

function isAt(fd: number, path: string): boolean {
  const at = statSync(path, { throwIfNoEntry: false });
  const open = fstatSync(fd);
  return at !== undefined && at.dev === open.dev && at.ino === open.ino;
}

function makeLockDirectory(): void {
  for (const path of [runDirectory, lockDirectory]) {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    const stats = lstatSync(path);
    if (stats.isDirectory() && stats.uid === 0 && (stats.mode & 0o022) === 0) continue;
    throw new CriuError(
      'ERR_UNTRUSTED_PATH',
      `The locks cannot be kept in ${path}: it has to be a directory of root that nobody else may write`,
    );
  }
}
