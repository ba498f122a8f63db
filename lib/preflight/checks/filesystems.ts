import { basename } from 'node:path';
import { type Scan, shown } from '../scan.js';
import { type MountProblem, mountProblems } from './mounts.js';

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
          `The POSIX message queues in ${shown(mountpoint)} (${names.map(shown).join(', ')}) cannot be ` +
          'saved: remove them',
      });
    }
  }
}

function reportMount({ report }: Scan, { mount, namespace, kind, isOfHost }: MountProblem): void {
  const { mountpoint, type, dev, root } = mount;
  const what = `The mount ${shown(mountpoint)} of process ${namespace.pid}`;
  const common = { pid: namespace.pid, subject: mountpoint } as const;
  if (kind === 'file-system' && !isOfHost) {
    report({
      ...common,
      code: 'mount-unsupported',
      severity: 'needs-option',
      option: 'enableFs',
      value: [type],
      message:
        `${what} is a file system (${type}) that CRIU does not know: pass enableFs: ['${type}'] to have ` +
        'it mounted anew at restore, or skipMnt to leave it out',
    });
    return;
  }
  const name = basename(mountpoint) || 'root';
  const value = [`mnt[${mountpoint}]:${name}`];
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
    message:
      `${what} ${why[kind]}: pass external: ['${value[0]}'], or autoExtMnt: true` +
      `${kind === 'master' ? ' with extMasters: true' : ''}`,
  });
}
