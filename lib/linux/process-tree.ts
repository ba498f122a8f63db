import { capabilitySet } from './capabilities.js';
import { type Device, splitDevice } from './device.js';
import { parseProcessStat } from './process-stat.js';
import { statusBytes, statusField } from './process-status.js';
import { type Budget, forEach, type Procfs } from './procfs.js';

/** The namespaces that CRIU looks at, by the names of their files in `/proc/PID/ns`. */
export const namespaceTypes = [
  'mnt',
  'net',
  'pid',
  'ipc',
  'uts',
  'user',
  'time',
  'cgroup',
] as const;

type NamespaceFile = (typeof namespaceTypes)[number] | 'time_for_children';

/**
 * The numbers by which the kernel names the namespaces that a process is in. A namespace that the
 * kernel does not tell of has no entry.
 */
export type Namespaces = Readonly<Partial<Record<NamespaceFile, string>>>;

/** A thread, as its status file tells. */
interface Thread {
  readonly tid: number;
  readonly state: string;
  readonly tracer: number;
  /** How often it was switched away from: the same number again means that it has not run. */
  readonly switches: string;
}

/** A process of the tree. */
export interface Task {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly threads: readonly Thread[];
  readonly parent: number;
  /** Its id in its innermost pid namespace. */
  readonly innerPid: number;
  /** The id of its session in its innermost pid namespace. */
  readonly innerSession: number;
  /** The id of its session in our pid namespace; 0 when the leader is outside of that. */
  readonly session: number;
  /** The device of its controlling terminal; 0:0 for none. */
  readonly terminal: Device;
  readonly uid: number;
  /** The set of its permitted capabilities, one bit each. */
  readonly permitted: bigint;
  /** The size of its private memory in bytes, swapped out or not. */
  readonly privateBytes: number;
  readonly namespaces: Namespaces;
}

/** Reads a process and all below it, the root first. A process that ends meanwhile is left out. */
export async function readTree(proc: Procfs, root: number, budget: Budget): Promise<Task[]> {
  const tasks: Task[] = [];
  const seen = new Set<number>();
  let generation = [root];
  while (generation.length > 0) {
    const next: number[] = [];
    await forEach(generation, budget, async (pid) => {
      if (seen.has(pid)) return;
      seen.add(pid);
      const [task, children] = await Promise.all([
        readTask(proc, pid, budget),
        childrenOf(proc, pid, budget),
      ]);
      if (task) tasks.push(task);
      next.push(...children);
    });
    generation = next;
  }
  return tasks.sort((a, b) => Number(b.pid === root) - Number(a.pid === root) || a.pid - b.pid);
}

async function readTask(proc: Procfs, pid: number, budget: Budget): Promise<Task | undefined> {
  const [status, stat, namespaces, threads] = await Promise.all([
    proc.text(`${pid}/status`),
    proc.text(`${pid}/stat`),
    readNamespaces(proc, pid),
    readThreads(proc, pid, budget),
  ]);
  if (status === undefined || stat === undefined) return undefined;
  const { state, parent, session, terminal } = parseProcessStat(stat);
  const field = (name: string): string => statusField(status, name);
  return {
    pid,
    name: field('Name'),
    state,
    threads,
    parent,
    // Kernels before 4.1 have no such lines, so that the ids in our pid namespace have to do.
    innerPid: innerPid(status) ?? pid,
    innerSession: innermost(field('NSsid')) ?? session,
    session,
    // The kernel packs the number as stat(2) does.
    terminal: splitDevice(BigInt(terminal >>> 0)),
    uid: Number(field('Uid').split(/\s+/)[0]),
    permitted: capabilitySet(status, 'CapPrm'),
    privateBytes: statusBytes(status, 'RssAnon') + statusBytes(status, 'VmSwap'),
    namespaces,
  };
}

async function readThreads(proc: Procfs, pid: number, budget: Budget): Promise<Thread[]> {
  const threads: Thread[] = [];
  await forEach((await proc.names(`${pid}/task`)) ?? [], budget, async (tid) => {
    const thread = await readThread(proc, pid, Number(tid));
    if (thread) threads.push(thread);
  });
  return threads.sort((a, b) => a.tid - b.tid);
}

async function readThread(proc: Procfs, pid: number, tid: number): Promise<Thread | undefined> {
  const status = await proc.text(`${pid}/task/${tid}/status`);
  if (status === undefined) return undefined;
  const field = (name: string): string => statusField(status, name);
  return {
    tid,
    state: field('State').slice(0, 1),
    tracer: Number(field('TracerPid') || 0),
    switches: `${field('voluntary_ctxt_switches')} ${field('nonvoluntary_ctxt_switches')}`,
  };
}

/** Whether a thread has been in uninterruptible sleep ever since it was read. */
export async function sleepsSince(
  proc: Procfs,
  pid: number,
  { tid, switches }: Thread,
): Promise<boolean> {
  const now = await readThread(proc, pid, tid);
  return now?.state === 'D' && now.switches === switches;
}

/** The children of all threads of a process. */
async function childrenOf(proc: Procfs, pid: number, budget: Budget): Promise<number[]> {
  const tids = (await proc.names(`${pid}/task`)) ?? [];
  const children: number[] = [];
  let isListed = tids.length === 0;
  await forEach(tids, budget, async (tid) => {
    const text = await proc.text(`${pid}/task/${tid}/children`);
    if (text === undefined) return;
    isListed = true;
    children.push(...text.split(' ').filter(Boolean).map(Number));
  });
  return isListed ? children : searchChildren(proc, pid, budget);
}

/** Looks through all processes, for a kernel that does not list a thread's children. */
async function searchChildren(proc: Procfs, pid: number, budget: Budget): Promise<number[]> {
  const children: number[] = [];
  const names = ((await proc.names('.')) ?? []).filter((name) => /^\d+$/.test(name));
  await forEach(names, budget, async (name) => {
    const status = await proc.text(`${name}/status`);
    if (status && Number(statusField(status, 'PPid')) === pid) children.push(Number(name));
  });
  return children;
}

/** Reads which namespaces a process is in. */
export async function readNamespaces(proc: Procfs, pid: number | 'self'): Promise<Namespaces> {
  const namespaces: Partial<Record<NamespaceFile, string>> = {};
  for (const type of [...namespaceTypes, 'time_for_children'] as const) {
    const inode = namespaceInode((await proc.link(`${pid}/ns/${type}`)) ?? '');
    if (inode !== undefined) namespaces[type] = inode;
  }
  return namespaces;
}

/** The kernel's number of a namespace, from a link to it: `net:[4026531840]`. */
export function namespaceInode(link: string): string | undefined {
  return /\[(\d+)\]$/.exec(link)?.[1];
}

/** The process's id in its innermost pid namespace, from the text of its status file. */
export function innerPid(status: string): number | undefined {
  return innermost(statusField(status, 'NSpid'));
}

/** The last one of the ids that a process has in the pid namespaces around it. */
function innermost(ids: string): number | undefined {
  return ids === '' ? undefined : Number(ids.split(/\s+/).at(-1));
}
