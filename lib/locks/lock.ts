import { setTimeout as sleep } from 'node:timers/promises';
import { nativeAddon } from '../native/addon.js';

/** How a lock is taken. */
export interface LockSettings {
  /** Whether others may have it at the same time, if they only read as well. */
  shared?: boolean;
  /** Whether to wait for a lock that somebody else has. */
  wait?: boolean | undefined;
  /** Ends the waiting when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** Milliseconds between two tries to take a lock that somebody else has. */
const retryMs = 20;

/**
 * Takes the advisory lock of an open file or directory. Each open file has a lock of its own, so that
 * it excludes other threads and other processes. The kernel gives it back when the descriptor is
 * closed or its process dies, so that no lock outlives its holder.
 *
 * @returns whether it was taken; false when somebody else has it and is not waited for, or for too long.
 */
export async function lockFile(
  fd: number,
  { shared = false, wait = false, signal }: LockSettings,
): Promise<boolean> {
  while (!nativeAddon().lock(fd, shared)) {
    if (!wait || signal?.aborted) return false;
    await sleep(retryMs);
  }
  return true;
}
