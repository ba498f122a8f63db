import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { openFlagsOf } from '../linux/procfs.js';

/**
 * Whether a descriptor belongs to Node itself: its event loop has some in the low numbers, so that
 * a number that the shell did not open can be open all the same, and writable.
 *
 * The close-on-exec flag tells only in part: Node opens everything with it, but at its start it also
 * sets it on the descriptors that were handed down, up to some number.
 */
export function isOwnedByNode(fd: number): boolean {
  const target = linkOf(fd);
  // These are pollers and event counters, which nobody hands down to be told a byte.
  if (target?.startsWith('anon_inode:')) return true;
  if (!target?.startsWith('pipe:') || !closesOnExec('self', fd)) return false;
  // Node keeps both ends of its own pipes to itself. A pipe of which the shell has handed down both
  // ends is read by somebody else, or nobody could be told anything through it.
  return hasReader('self', target) && !otherProcesses().some((pid) => hasReader(pid, target));
}

function otherProcesses(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
}

/** Whether a process has a reading end of a pipe; false for one that is gone or another user's. */
function hasReader(pid: string, pipe: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .map(Number)
      .some((fd) => linkOf(fd, pid) === pipe && (flagsOf(pid, fd) & accessMode) === 0);
  } catch {
    return false;
  }
}

const accessMode = 0o3;
const closeOnExec = 0o2000000;

function linkOf(fd: number, pid = 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

function closesOnExec(pid: string, fd: number): boolean {
  return (flagsOf(pid, fd) & closeOnExec) !== 0;
}

function flagsOf(pid: string, fd: number): number {
  return openFlagsOf(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'));
}
