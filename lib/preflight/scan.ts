import { join } from 'node:path';
import { type Finding, type FindingDraft, makeFinding } from '../base/finding.js';
import type { Mount, MountNamespace } from '../linux/mountinfo.js';
import { hiddenIn, parseMountinfo } from '../linux/mountinfo.js';
import { type Namespaces, readNamespaces, type Task } from '../linux/process-tree.js';
import type { Budget, Procfs } from '../linux/procfs.js';
import type { Allowed } from './allowed.js';

/** What the single checks share. */
export interface Scan {
  readonly proc: Procfs;
  readonly budget: Budget;
  readonly allowed: Allowed;
  /** The root first. */
  readonly tasks: readonly Task[];
  readonly root: Task;
  /** Ours, which are those of CRIU. */
  readonly own: Namespaces;
  /** Of the mount namespaces that the tasks are in, the root's first. */
  readonly mountNamespaces: readonly MountNamespace[];
  /** Where CRIU runs. */
  readonly hostMounts: readonly Mount[];
  /** By id, of all mount namespaces of the tree. */
  readonly mounts: ReadonlyMap<number, Mount>;
  /** Whether another mount hides it. */
  isHidden(mount: Mount): boolean;
  /** Paths that lead to the roots of the mount namespaces, by the kernel's number; not all do. */
  readonly roots: ReadonlyMap<string, string>;
  /** The kernel's number of the mount namespace that a mount is in; without one, the task's. */
  namespaceOf(mount: Mount | undefined, task: Task): string | undefined;
  /** The same finding of the same thing is told once. */
  report(finding: FindingDraft, identity?: string): void;
}

export async function startScan(
  proc: Procfs,
  budget: Budget,
  allowed: Allowed,
  tasks: readonly Task[],
): Promise<{ scan: Scan; findings: Finding[] } | undefined> {
  const [root] = tasks;
  if (!root) return undefined;
  const own = await readNamespaces(proc, 'self');
  const hostMounts = parseMountinfo((await proc.text('self/mountinfo')) ?? '');
  const mountNamespaces: MountNamespace[] = [];
  const roots = new Map(own.mnt === undefined ? [] : [[own.mnt, '/']]);
  for (const { pid, namespaces } of tasks) {
    const inode = namespaces.mnt;
    if (inode === undefined) continue;
    // A task that has changed its root sees another one.
    if (!roots.has(inode) && (await proc.link(`${pid}/root`)) === '/') {
      roots.set(inode, join(proc.root, `${pid}/root`));
    }
    if (mountNamespaces.some((one) => one.inode === inode)) continue;
    const mounts = parseMountinfo((await proc.text(`${pid}/mountinfo`)) ?? '');
    mountNamespaces.push({ inode, pid, mounts });
  }
  const namespaceOfMount = new Map(
    mountNamespaces.flatMap(({ inode, mounts }) => mounts.map(({ id }) => [id, inode] as const)),
  );
  const hiding = new Map(mountNamespaces.map(({ inode, mounts }) => [inode, hiddenIn(mounts)]));
  const findings: Finding[] = [];
  const reported = new Set<string>();
  const scan: Scan = {
    proc,
    budget,
    allowed,
    tasks,
    root,
    own,
    mountNamespaces,
    hostMounts,
    mounts: new Map(
      mountNamespaces.flatMap(({ mounts }) => mounts).map((mount) => [mount.id, mount]),
    ),
    roots,
    namespaceOf: (mount, task) =>
      mount === undefined ? task.namespaces.mnt : namespaceOfMount.get(mount.id),
    isHidden: (mount) => hiding.get(namespaceOfMount.get(mount.id) ?? '')?.(mount) ?? false,
    report(finding, identity = finding.subject) {
      const key = `${finding.code} ${finding.pid} ${identity}`;
      if (reported.has(key)) return;
      reported.add(key);
      findings.push(makeFinding(finding));
    },
  };
  return { scan, findings };
}
