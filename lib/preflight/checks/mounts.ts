import { basename } from 'node:path';
import { option, sentence } from '../../base/sentence.js';
import { groupBy, type Mount, type MountNamespace } from '../../linux/mountinfo.js';
import { isBelow, shownPath } from '../../linux/paths.js';
import type { Allowed } from '../allowed.js';
import type { Scan } from '../scan.js';

/** The file systems that CRIU knows how to mount anew. */
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

/** Why CRIU refuses a mount. */
type ProblemKind = 'bind' | 'master' | 'file-system' | 'fuse';

/** A mount of the tasks that CRIU refuses, and why. */
interface MountProblem {
  readonly mount: Mount;
  readonly namespace: MountNamespace;
  readonly kind: ProblemKind;
  /** Whether the same file system is mounted where CRIU runs. */
  readonly isOfHost: boolean;
}

/** A mount with the namespace that it is in. */
interface MountOfTree {
  readonly mount: Mount;
  readonly namespace: MountNamespace;
}

/**
 * Tells which mounts CRIU refuses, by its own rules: each mount is either external, or has its file
 * system's root mounted in the same tree and is of a type that CRIU knows.
 *
 * @param namespaces - Those of the tasks, without our own; the root task's first, if it has one.
 * @param host - The mounts where CRIU runs.
 */
export function mountProblems(
  namespaces: readonly MountNamespace[],
  rootNamespace: string,
  host: readonly Mount[],
  allowed: Allowed,
  { ownsCgroups }: { ownsCgroups: boolean },
): MountProblem[] {
  const all = mountsOfTree(namespaces, allowed, ownsCgroups);
  const hostByDevice = groupBy(host, ({ dev }) => dev);
  const isFound = ({ mount, namespace }: MountOfTree): boolean =>
    isExternal(mount, namespace.inode === rootNamespace, hostByDevice, allowed);
  const external = new Set(all.filter(isFound).map(({ mount }) => mount));
  const mounts = all.map(({ mount }) => mount);
  const peers = new Set(mounts.map(({ shared }) => shared));
  const byDevice = groupBy(mounts, ({ dev }) => dev);
  return all.flatMap(({ mount, namespace }): MountProblem[] => {
    const same = (byDevice.get(mount.dev) ?? []).filter((other) => isSameFs(mount, other));
    const anchors = same.filter(
      (other) => (external.has(other) || isRoot(other)) && isBelow(mount.root, other.root),
    );
    const kind = problemOf(mount, { same, anchors, peers, allowed });
    const isOfHost = hostByDevice.has(mount.dev);
    return kind === undefined ? [] : [{ mount, namespace, kind, isOfHost }];
  });
}

/** The mounts that CRIU looks at, each with its namespace. */
function mountsOfTree(
  namespaces: readonly MountNamespace[],
  { skippedMounts }: Allowed,
  ownsCgroups: boolean,
): MountOfTree[] {
  // The root of the tree's own cgroup namespace counts as the root of the file system.
  const withRoot = (mount: Mount): Mount =>
    ownsCgroups && /^cgroup2?$/.test(mount.type) ? { ...mount, root: '/' } : mount;
  return namespaces.flatMap((namespace) =>
    namespace.mounts
      .filter(({ mountpoint }) => !skippedMounts.has(mountpoint))
      .map((mount) => ({ mount: withRoot(mount), namespace })),
  );
}

/** What decides whether CRIU refuses a mount. */
interface MountSurroundings {
  /** The mounts of the same file system. */
  readonly same: readonly Mount[];
  /** Those of them that CRIU finds again and that the mount can be bound from. */
  readonly anchors: readonly Mount[];
  /** The numbers of the peer groups that mounts of the tree are in. */
  readonly peers: ReadonlySet<number>;
  readonly allowed: Allowed;
}

function problemOf(
  { root, type, master, dev }: Mount,
  { same, anchors, peers, allowed }: MountSurroundings,
): ProblemKind | undefined {
  const hasMaster = anchors.some((other) => other.master === master);
  if (master !== 0 && !peers.has(master) && !hasMaster) return 'master';
  if (anchors.length > 0) return undefined;
  if (type === 'fuse') return 'fuse';
  if (root !== '/') return same.some((other) => other.root === '/') ? undefined : 'bind';
  const isEnabled = allowed.fileSystems.has(type) || allowed.fileSystems.has('all');
  const isDevice = allowed.externals.has(`dev[${dev.replace(':', '/')}]`);
  return knownTypes.has(type) || isEnabled || isDevice ? undefined : 'file-system';
}

/**
 * Whether a mount is external: CRIU does not save it, and is given another one at restore.
 *
 * @param isRootTasks - Whether it is in the mount namespace of the root task.
 * @param hostByDevice - The mounts where CRIU runs, by their devices.
 */
export function isExternal(
  mount: Mount,
  isRootTasks: boolean,
  hostByDevice: ReadonlyMap<string, readonly Mount[]>,
  allowed: Allowed,
): boolean {
  if (isRoot(mount)) return false;
  if (isRootTasks && allowed.externalMounts.has(mount.mountpoint)) return true;
  return isFoundExternal(mount, hostByDevice.get(mount.dev) ?? [], allowed);
}

/** Whether `autoExtMnt` takes a mount for external. */
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

function isRoot({ mountpoint }: Mount): boolean {
  return mountpoint === '/';
}

function isSameFs(a: Mount, b: Mount): boolean {
  return a.dev === b.dev && a.type === b.type && a.source === b.source;
}

/** Looks at the mounts of the tree's own namespaces. CRIU looks at none when the tree has none. */
export async function checkMounts(scan: Scan): Promise<void> {
  const { mountNamespaces, own, root, hostMounts, allowed } = scan;
  const namespaces = mountNamespaces.filter(({ inode }) => inode !== own.mnt);
  if (namespaces.length === 0 || root.namespaces.mnt === undefined) return;
  const ownsCgroups = root.namespaces.cgroup !== own.cgroup;
  const problems = mountProblems(namespaces, root.namespaces.mnt, hostMounts, allowed, {
    ownsCgroups,
  });
  await checkRoot(scan);
  for (const problem of problems) reportMount(scan, problem);
  for (const namespace of namespaces) await checkQueues(scan, namespace);
}

/** CRIU enters the mount namespace of the tree by the root directory of its first process. */
async function checkRoot({ proc, root, own, report }: Scan): Promise<void> {
  const { pid, namespaces } = root;
  if (namespaces.mnt === own.mnt) return;
  const path = await proc.link(`${pid}/root`);
  if (path === undefined || path === '/') return;
  report({
    code: 'file-hidden',
    severity: 'fails',
    pid,
    subject: path,
    message:
      `The root directory of process ${pid} is ${shownPath(path)} and not that of its mount namespace, ` +
      'which CRIU needs the first process to have: use pivot_root instead of chroot',
  });
}

/** CRIU mounts the file system of POSIX message queues anew, without the queues. */
async function checkQueues(scan: Scan, { mounts, pid, inode }: MountNamespace): Promise<void> {
  if (!scan.roots.has(inode)) return;
  for (const { type, mountpoint } of mounts) {
    if (type !== 'mqueue' || scan.allowed.externalMounts.has(mountpoint)) continue;
    const names = (await scan.proc.names(`${pid}/root/${mountpoint}`)) ?? [];
    if (names.length === 0) continue;
    scan.report({
      code: 'posix-mqueue',
      severity: 'fails',
      pid,
      subject: mountpoint,
      message:
        `The POSIX message queues in ${shownPath(mountpoint)} ` +
        `(${names.map(shownPath).join(', ')}) cannot be saved: remove them`,
    });
  }
}

function reportMount({ report }: Scan, { mount, namespace, kind, isOfHost }: MountProblem): void {
  const { mountpoint, type, dev, root } = mount;
  const what = `The mount ${shownPath(mountpoint)} of process ${namespace.pid}`;
  const common = { pid: namespace.pid, subject: mountpoint } as const;
  if (kind === 'file-system' && !isOfHost) {
    report({
      ...common,
      code: 'mount-unsupported',
      severity: 'needs-option',
      option: 'enableFs',
      value: [type],
      message: sentence`${what} is a file system (${type}) that CRIU does not know: pass
        ${option('enableFs', [type])} to have it mounted anew at restore, or ${option('skipMnt')} to
        leave it out`,
    });
    return;
  }
  const name = basename(mountpoint) || 'root';
  const value = [`mnt[${mountpoint}]:${name}`];
  const masters = kind === 'master' ? sentence` with ${option('extMasters', true)}` : '';
  const why: Readonly<Record<ProblemKind, string>> = {
    bind: `comes from outside (${root} of device ${dev})`,
    master: 'receives mounts from outside',
    fuse: 'is served by a process outside (fuse)',
    'file-system': `is a file system of the host (${type} of device ${dev})`,
  };
  report({
    ...common,
    code: 'mount-external',
    severity: 'needs-option',
    option: 'external',
    value,
    message: sentence`${what} ${why[kind]}: pass ${option('external', value)}, or
      ${option('autoExtMnt', true)}${masters}`,
  });
}
