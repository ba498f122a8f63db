import type { Allowed } from '../allowed.js';

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
function unescapeOctal(text: string): string {
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

function grouped<K>(mounts: readonly Mount[], keyOf: (mount: Mount) => K): Map<K, Mount[]> {
  const groups = new Map<K, Mount[]>();
  for (const mount of mounts) {
    const key = keyOf(mount);
    const group = groups.get(key);
    if (group) group.push(mount);
    else groups.set(key, [mount]);
  }
  return groups;
}

/** File systems that CRIU knows how to mount anew. */
const knownTypes: ReadonlySet<string> = new Set([
  'proc',
  'sysfs',
  'devtmpfs',
  'binfmt_misc',
  'tmpfs',
  'devpts',
  'simfs',
  'pstore',
  'mqueue',
  'securityfs',
  'fusectl',
  'debugfs',
  'tracefs',
  'cgroup',
  'cgroup2',
  'aufs',
  'fuse',
  'overlay',
  'autofs',
]);

/** Those that a process of ours waits for when they do not answer: no stat goes there. */
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

export function isRemote(mount: Mount): boolean {
  return remoteTypes.has(mount.type);
}

/** A mount of the tasks that CRIU refuses, and why. */
export interface MountProblem {
  readonly mount: Mount;
  readonly namespace: MountNamespace;
  readonly kind: 'bind' | 'master' | 'file-system' | 'fuse';
  /** Whether the same file system is mounted where CRIU runs. */
  readonly isOfHost: boolean;
}

/**
 * Which mounts CRIU refuses, by its own rules: each is either external, or has its file system's
 * root mounted in the same tree and is of a type that it knows.
 *
 * @param namespaces - Of the tasks, without our own; the root task's first, if it has one.
 * @param host - Where CRIU runs.
 */
export function mountProblems(
  namespaces: readonly MountNamespace[],
  rootNamespace: string,
  host: readonly Mount[],
  allowed: Allowed,
  { ownsCgroups }: { ownsCgroups: boolean },
): MountProblem[] {
  const all = namespaces.flatMap((namespace) =>
    namespace.mounts
      .filter(({ mountpoint }) => !allowed.skippedMounts.has(mountpoint))
      // The root of a cgroup namespace counts as the file system's.
      .map((mount) =>
        ownsCgroups && /^cgroup2?$/.test(mount.type) ? { ...mount, root: '/' } : mount,
      )
      .map((mount) => ({ mount, namespace })),
  );
  const isRoot = ({ mountpoint }: Mount): boolean => mountpoint === '/';
  const mounts = all.map(({ mount }) => mount);
  const byDevice = grouped(mounts, ({ dev }) => dev);
  const hostByDevice = grouped(host, ({ dev }) => dev);
  const peers = new Set(mounts.map(({ shared }) => shared));
  const binds = (mount: Mount): Mount[] =>
    (byDevice.get(mount.dev) ?? []).filter((other) => isSameFs(mount, other));
  const external = new Set<Mount>();
  for (const { mount, namespace } of all) {
    if (isRoot(mount)) continue;
    const isNamed =
      namespace.inode === rootNamespace && allowed.externalMounts.has(mount.mountpoint);
    if (isNamed || isFoundExternal(mount, hostByDevice.get(mount.dev) ?? [], allowed))
      external.add(mount);
  }
  const problemOf = (mount: Mount): MountProblem['kind'] | undefined => {
    const { root, type, master, dev } = mount;
    const same = binds(mount);
    const hasMaster = same.some(
      (other) =>
        (external.has(other) || isRoot(other)) &&
        other.master === master &&
        isBelow(root, other.root),
    );
    if (master !== 0 && !peers.has(master) && !hasMaster) return 'master';
    const isCovered = same.some(
      (other) => (external.has(other) || isRoot(other)) && isBelow(root, other.root),
    );
    if (isCovered) return undefined;
    if (type === 'fuse') return 'fuse';
    if (root !== '/') return same.some((other) => other.root === '/') ? undefined : 'bind';
    const isEnabled = allowed.fileSystems.has(type) || allowed.fileSystems.has('all');
    const isDevice = allowed.externals.has(`dev[${dev.replace(':', '/')}]`);
    return knownTypes.has(type) || isEnabled || isDevice ? undefined : 'file-system';
  };
  return all.flatMap(({ mount, namespace }) => {
    const kind = problemOf(mount);
    const isOfHost = hostByDevice.has(mount.dev);
    return kind === undefined ? [] : [{ mount, namespace, kind, isOfHost }];
  });
}

/** What `autoExtMnt` takes for external. */
function isFoundExternal(mount: Mount, host: readonly Mount[], { flags }: Allowed): boolean {
  if (!flags.has('auto-ext-mnt')) return false;
  const candidates = host.filter(
    (other) => isSameFs(mount, other) && isBelow(mount.root, other.root),
  );
  const exact = candidates.find(
    ({ shared }) => shared !== 0 && (shared === mount.shared || shared === mount.master),
  );
  const match = exact ?? candidates.at(-1);
  if (!match) return false;
  if (mount.shared !== 0 && !flags.has('enable-external-sharing')) return false;
  if (mount.master === 0) return true;
  return (
    flags.has('enable-external-masters') &&
    (mount.master === match.shared || mount.master === match.master)
  );
}

function isSameFs(a: Mount, b: Mount): boolean {
  return a.dev === b.dev && a.type === b.type && a.source === b.source;
}
