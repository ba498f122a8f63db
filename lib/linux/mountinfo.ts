/** A line of `/proc/PID/mountinfo`. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** `major:minor`, as in stat. */
  readonly dev: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  readonly mountpoint: string;
  /** Peer group, 0 for none. */
  readonly shared: number;
  readonly master: number;
  /** Without a subtype. */
  readonly type: string;
  readonly source: string;
}

/** The mounts of a namespace as a task in it sees them. */
export interface MountNamespace {
  /** The kernel's number. */
  readonly inode: string;
  readonly pid: number;
  readonly mounts: readonly Mount[];
}

export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line): Mount[] => {
    const [before = '', after = ''] = line.split(' - ');
    const [id, parent, dev, root, mountpoint, , ...tags] = before.split(' ');
    const [type = '', source = ''] = after.split(' ');
    if (mountpoint === undefined || root === undefined || dev === undefined) return [];
    const group = (name: string): number =>
      Number(tags.find((tag) => tag.startsWith(`${name}:`))?.slice(name.length + 1) ?? 0);
    return [
      {
        id: Number(id),
        parent: Number(parent),
        dev,
        root: unescapeOctal(root).replace(/\/\/deleted$/, ''),
        mountpoint: unescapeOctal(mountpoint),
        shared: group('shared'),
        master: group('master'),
        type: type.replace(/\..*$/, ''),
        source: unescapeOctal(source),
      },
    ];
  });
}

/** mountinfo writes blanks and backslashes as three octal digits. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Whether `path` is `base` or below it. */
export function isBelow(path: string, base: string): boolean {
  return base === '/' || path === base || path.startsWith(`${base}/`);
}

/**
 * Tells of a mount whether another one hides it: CRIU saves no file that is open on such. A machine
 * can have thousands of mounts, so that only those are looked at that are asked for.
 */
export function hiddenIn(mounts: readonly Mount[]): (mount: Mount) => boolean {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  const children = grouped(
    mounts.filter(({ id, parent }) => id !== parent),
    ({ parent }) => parent,
  );
  return (mount) => {
    // By one on its own mount point, or by one on a path to it beside it or an ancestor.
    if (children.get(mount.id)?.some(({ mountpoint }) => mountpoint === mount.mountpoint)) {
      return true;
    }
    for (let at: Mount | undefined = mount; at; at = byId.get(at.parent)) {
      const { id, parent, mountpoint } = at;
      const siblings = byId.has(parent) ? (children.get(parent) ?? []) : [];
      if (siblings.some((one) => one.id !== id && isBelow(mountpoint, one.mountpoint))) return true;
      if (id === parent) break;
    }
    return false;
  };
}

export function grouped<K>(mounts: readonly Mount[], keyOf: (mount: Mount) => K): Map<K, Mount[]> {
  const groups = new Map<K, Mount[]>();
  for (const mount of mounts) {
    const key = keyOf(mount);
    const group = groups.get(key);
    if (group) group.push(mount);
    else groups.set(key, [mount]);
  }
  return groups;
}

/** Those that a process of ours waits for when they do not answer: no stat goes there. */
export const remoteTypes: ReadonlySet<string> = new Set([
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

export function isRemote(mount: Mount): boolean {
  return remoteTypes.has(mount.type);
}
