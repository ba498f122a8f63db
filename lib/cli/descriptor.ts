import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { openFlagsOf } from '../linux/procfs.js';

/**
 * Whether a descriptor belongs to Node itself: its event loop has some in the low numbers, so that
 * a number that the shell did not open can be open all the same, and writable.
 */
export function isOwnedByNode(fd: number): boolean {
  const target = linkOf(fd);
  // These are pollers and event counters, which nobody hands down to be told a byte.
  if (target?.startsWith('anon_inode:')) return true;
  if (!target?.startsWith('pipe:')) return false;
  // Of a pipe of the event loop this process has both ends, of one that was handed down only one.
  return readdirSync('/proc/self/fd')
    .map(Number)
    .some((other) => other !== fd && linkOf(other) === target && isReadOnly(other));
}

function linkOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

function isReadOnly(fd: number): boolean {
  return (openFlagsOf(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) & 0o3) === 0;
}
