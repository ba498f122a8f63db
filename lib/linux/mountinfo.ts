import { readFileSync } from 'node:fs';
import { remembered } from '../base/remembered.js';
import { isBelow } from './paths.js';

/** A line of `/proc/PID/mountinfo`. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** The device of the file system as `major:minor`, as stat has it. */
  readonly dev: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  /** Whether that directory, or file, has lost the name under which it was mounted. */
  readonly isDeleted: boolean;
  readonly mountpoint: string;
  /** The number of the peer group that the mount shares its events with; 0 when there is none. */
  readonly shared: number;
  /** The number of the peer group that the mount receives events from; 0 when there is none. */
  readonly master: number;
  /** The type of the file system, without a subtype: `fuse` and not `fuse.sshfs`. */
  readonly type: string;
  readonly source: string;
  /** The options of the file system, the controllers of a v1 cgroup hierarchy among them. */
  readonly options: readonly string[];
}

/** The mounts of a namespace as a task in it sees them. */
export interface MountNamespace {
  /** The number by which the kernel names the namespace. */
  readonly inode: string;
  /** The task whose view it is. */
  readonly pid: number;
  readonly mounts: readonly Mount[];
}

/** Parses the text of a mountinfo file. A line that is not one of a mount is left out. */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line): Mount[] => {
    const [before = '', after = ''] = line.split(' - ');
    const [id, parent, dev, root, mountpoint, , ...tags] = before.split(' ');
    const [type = '', source = '', options = ''] = after.split(' ');
    if (mountpoint === undefined || root === undefined || dev === undefined) return [];
    const group = (name: string): number =>
      Number(tags.find((tag) => tag.startsWith(`${name}:`))?.slice(name.length + 1) ?? 0);
    return [
      {
        id: Number(id),
        parent: Number(parent),
        dev,
        root: unescapeOctal(root).replace(/\/\/deleted$/, ''),
        isDeleted: root.endsWith('//deleted'),
        mountpoint: unescapeOctal(mountpoint),
        shared: group('shared'),
        master: group('master'),
        type: type.replace(/\..*$/, ''),
        source: unescapeOctal(source),
        options: options.split(','),
      },
    ];
  });
}

/**
 * The mounts that this process sees, in the order of their mounting. They are read synchronously,
 * because they are in the kernel's memory and a turn of libuv's pool takes longer than reading them.
 *
 * @returns the same array as before where they are as they were.
 */
export function ownMounts(procRoot = '/proc'): readonly Mount[] {
  return parsed(readFileSync(`${procRoot}/self/mountinfo`, 'utf8'));
}

const parsed = remembered(parseMountinfo);

/** The kernel writes blanks and backslashes in mountinfo as three octal digits. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Gives a function that tells of a mount whether another one hides it: CRIU saves no file that is
 * open on a hidden mount. A machine can have thousands of mounts, so only those that the function is
 * called for are looked at.
 */
export function hiddenIn(mounts: readonly Mount[]): (mount: Mount) => boolean {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  const children = groupBy(
    mounts.filter(({ id, parent }) => id !== parent),
    ({ parent }) => parent,
  );
  const hasMountOnTop = ({ id, mountpoint }: Mount): boolean =>
    children.get(id)?.some((child) => child.mountpoint === mountpoint) ?? false;
  const hasMountBeside = ({ id, parent, mountpoint }: Mount): boolean => {
    const siblings = byId.has(parent) ? (children.get(parent) ?? []) : [];
    return siblings.some((other) => other.id !== id && isBelow(mountpoint, other.mountpoint));
  };
  return (mount) => {
    if (hasMountOnTop(mount)) return true;
    // A mount beside an ancestor hides everything below that ancestor. One mount is its own parent, and
    // where lines were read while mounts came and went there may be more of a circle.
    const seen = new Set<Mount>();
    for (let at: Mount | undefined = mount; at && !seen.has(at); at = byId.get(at.parent)) {
      if (hasMountBeside(at)) return true;
      seen.add(at);
    }
    return false;
  };
}

/** Puts the mounts that have the same key together, in their order. */
export function groupBy<K>(mounts: readonly Mount[], keyOf: (mount: Mount) => K): Map<K, Mount[]> {
  const groups = new Map<K, Mount[]>();
  for (const mount of mounts) {
    const key = keyOf(mount);
    const group = groups.get(key);
    if (group) group.push(mount);
    else groups.set(key, [mount]);
  }
  return groups;
}

/** A stat on such a file system waits for a server, which may never answer. */
const remoteTypes: ReadonlySet<string> = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  '9p',
  'ceph',
  'fuse',
  'fuseblk',
  'afs',
  'glusterfs',
  'lustre',
  'autofs',
]);

/** Whether a stat on the mount may have to wait for a server, so that none must be made. */
export function isRemote(mount: Mount): boolean {
  return remoteTypes.has(mount.type);
}
