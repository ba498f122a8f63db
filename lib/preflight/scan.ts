import { join } from 'node:path';
import { type Finding, type FindingDraft, makeFinding } from '../base/finding.js';
import type { Mount, MountNamespace } from '../linux/mountinfo.js';
import { hiddenIn, parseMountinfo } from '../linux/mountinfo.js';
import { type Namespaces, readNamespaces, type Task } from '../linux/process-tree.js';
import type { Budget, Procfs } from '../linux/procfs.js';
import type { Allowed } from './allowed.js';

/** A task and one of its descriptors. */
export interface Holder {
  readonly pid: number;
  readonly fd: number;
}

/** Names a descriptor at the start of a sentence. */
export function nameOf({ pid, fd }: Holder): string {
  return `Descriptor ${fd} of process ${pid}`;
}

/** A look at a tree of tasks, which all checks share. */
export interface Scan {
  readonly proc: Procfs;
  readonly budget: Budget;
  readonly allowed: Allowed;
  /** The tasks of the tree, the root first. */
  readonly tasks: readonly Task[];
  readonly root: Task;
  /** The namespaces of this process, which are those of CRIU. */
  readonly own: Namespaces;
  /** The mount namespaces that the tasks are in, the root's first. */
  readonly mountNamespaces: readonly MountNamespace[];
  /** The mounts where CRIU runs. */
  readonly hostMounts: readonly Mount[];
  /** The mounts of all mount namespaces of the tree, by their id. */
  readonly mounts: ReadonlyMap<number, Mount>;
  /** Whether another mount hides this one. */
  isHidden(mount: Mount): boolean;
  /**
   * Paths that lead to the roots of mount namespaces, by the kernel's number. There is none for a
   * namespace whose tasks have all changed their root.
   */
  readonly roots: ReadonlyMap<string, string>;
  /** The kernel's number of the mount namespace that a mount is in; without one, the task's. */
  namespaceOf(mount: Mount | undefined, task: Task): string | undefined;
  /** Reports a finding. The same finding of the same thing is reported once. */
  report(finding: FindingDraft, identity?: string): void;
}

/**
 * Reads what the checks share.
 *
 * @returns the scan and the list that its findings go to; undefined when there is no task.
 */
export async function startScan(
  proc: Procfs,
  budget: Budget,
  allowed: Allowed,
  tasks: readonly Task[],
): Promise<{ scan: Scan; findings: Finding[] } | undefined> {
  const [root] = tasks;
  if (!root) return undefined;
  const own = await readNamespaces(proc, 'self');
  const hostMounts = await readMounts(proc, 'self');
  const { report, findings } = startReport();
  const scan: Scan = {
    proc,
    budget,
    allowed,
    tasks,
    root,
    own,
    hostMounts,
    ...(await readMountNamespaces(proc, tasks, own)),
    report,
  };
  return { scan, findings };
}

async function readMounts(proc: Procfs, pid: number | 'self'): Promise<Mount[]> {
  return parseMountinfo((await proc.text(`${pid}/mountinfo`)) ?? '');
}

type MountView = Pick<Scan, 'mountNamespaces' | 'mounts' | 'roots' | 'isHidden' | 'namespaceOf'>;

/** Reads the mounts of the tree, and where the roots of its mount namespaces are. */
async function readMountNamespaces(
  proc: Procfs,
  tasks: readonly Task[],
  own: Namespaces,
): Promise<MountView> {
  const mountNamespaces: MountNamespace[] = [];
  const roots = new Map(own.mnt === undefined ? [] : [[own.mnt, '/']]);
  for (const { pid, namespaces } of tasks) {
    const inode = namespaces.mnt;
    if (inode === undefined) continue;
    // The root directory of a task that has changed it is not that of its namespace.
    if (!roots.has(inode) && (await proc.link(`${pid}/root`)) === '/') {
      roots.set(inode, join(proc.root, `${pid}/root`));
    }
    if (mountNamespaces.some((one) => one.inode === inode)) continue;
    mountNamespaces.push({ inode, pid, mounts: await readMounts(proc, pid) });
  }
  return { roots, mountNamespaces, ...lookups(mountNamespaces) };
}

function lookups(
  mountNamespaces: readonly MountNamespace[],
): Pick<Scan, 'mounts' | 'isHidden' | 'namespaceOf'> {
  const mounts = new Map<number, Mount>();
  const namespaceOfMount = new Map<number, string>();
  const hiding = new Map<string, (mount: Mount) => boolean>();
  for (const { inode, mounts: members } of mountNamespaces) {
    hiding.set(inode, hiddenIn(members));
    for (const mount of members) {
      mounts.set(mount.id, mount);
      namespaceOfMount.set(mount.id, inode);
    }
  }
  return {
    mounts,
    namespaceOf: (mount, task) =>
      mount === undefined ? task.namespaces.mnt : namespaceOfMount.get(mount.id),
    isHidden: (mount) => hiding.get(namespaceOfMount.get(mount.id) ?? '')?.(mount) ?? false,
  };
}

function startReport(): { report: Scan['report']; findings: Finding[] } {
  const findings: Finding[] = [];
  const reported = new Set<string>();
  return {
    findings,
    report: (finding, identity = finding.subject) => {
      const key = `${finding.code} ${finding.pid} ${identity}`;
      if (reported.has(key)) return;
      reported.add(key);
      findings.push(makeFinding(finding));
    },
  };
}
