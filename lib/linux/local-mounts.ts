import { readFileSync } from 'node:fs';
import { remembered } from '../base/remembered.js';
import { unescapeOctal } from './mountinfo.js';
import { isBelow } from './paths.js';

/** What is not in memory there is on a disk of this machine. */
const localTypes: ReadonlySet<string> = new Set([
  'bcachefs',
  'btrfs',
  'cgroup',
  'cgroup2',
  'devtmpfs',
  'ext2',
  'ext3',
  'ext4',
  'f2fs',
  'proc',
  'ramfs',
  'rootfs',
  'sysfs',
  'tmpfs',
  'xfs',
  'zfs',
]);

/** A machine can have thousands of mounts, and to read of them takes longer than a turn of libuv's pool. */
const mostCharacters = 64 * 1024;

/**
 * Tells of an absolute path without links whether to look at what is there waits for no server. The path
 * has one character for each byte, as latin1 has.
 */
export type IsLocal = (path: string) => boolean;

/**
 * What is local now, to this process: it can be looked at synchronously, which takes less time than a turn
 * of libuv's pool.
 */
export function localMounts(): IsLocal {
  try {
    // Node.js reads this encoding in one call.
    return parsed(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return () => false;
  }
}

const parsed = remembered(localIn);

/**
 * What is local by the text of a mountinfo file. A path below one mount that is not local counts as not
 * local, whatever else is mounted above or on it.
 */
export function localIn(mountinfo: string): IsLocal {
  // A name that is not of this encoding would not be found again.
  const isKnown = mountinfo !== '' && !mountinfo.includes('\uFFFD');
  if (!isKnown || mountinfo.length > mostCharacters) return () => false;
  const others = mountinfo.split('\n').flatMap(otherMount);
  return (path) => !others.some((mountpoint) => isBelow(path, mountpoint));
}

/** The mount point of a mount that is not local; none of another line. Most machines have many lines. */
function otherMount(line: string): string[] {
  const [before = '', after = ''] = line.split(' - ', 2);
  const [, , , , mountpoint] = before.split(' ', 5);
  const type = after.slice(0, after.indexOf(' '));
  // The layers of an overlay can be anywhere, but for that of a container's root this process waits anyway.
  const isLocal = localTypes.has(type) || (type === 'overlay' && mountpoint === '/');
  if (mountpoint === undefined || isLocal) return [];
  return [Buffer.from(unescapeOctal(mountpoint), 'utf8').toString('latin1')];
}
