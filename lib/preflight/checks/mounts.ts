import { basename } from 'node:path';
import { option, sentence } from '../../base/sentence.js';
import { groupBy, type Mount, type MountNamespace } from '../../linux/mountinfo.js';
import { isBelow, shownPath } from '../../linux/paths.js';
import type { Allowed } from '../allowed.js';
import type { Scan } from '../scan.js';

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
  const byDevice = groupBy(mounts, ({ dev }) => dev);
  const hostByDevice = groupBy(host, ({ dev }) => dev);
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

/** Mounts of the tree's own namespaces; without any, CRIU looks at none. */
export async function checkMounts(scan: Scan): Promise<void> {
  const { mountNamespaces, own, root, hostMounts, allowed, report } = scan;
  const namespaces = mountNamespaces.filter(({ inode }) => inode !== own.mnt);
  if (namespaces.length === 0 || root.namespaces.mnt === undefined) return;
  const ownsCgroups = root.namespaces.cgroup !== own.cgroup;
  const problems = mountProblems(namespaces, root.namespaces.mnt, hostMounts, allowed, {
    ownsCgroups,
  });
  for (const problem of problems) reportMount(scan, problem);
  for (const { mounts, pid, inode } of namespaces) {
    for (const { type, mountpoint } of mounts) {
      if (type !== 'mqueue' || allowed.externalMounts.has(mountpoint)) continue;
      const base = scan.roots.get(inode);
      const names = base === undefined ? [] : await scan.proc.names(`${pid}/root/${mountpoint}`);
      if (names === undefined || names.length === 0) continue;
      report({
        code: 'posix-mqueue',
        severity: 'fails',
        pid,
        subject: mountpoint,
        message:
          `The POSIX message queues in ${shownPath(mountpoint)} (${names.map(shownPath).join(', ')}) cannot be ` +
          'saved: remove them',
      });
    }
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
  const why: Readonly<Record<MountProblem['kind'], string>> = {
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
