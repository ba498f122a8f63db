import { parseProcessStat } from './process-stat.js';
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
export type NamespaceType = (typeof namespaceTypes)[number];

/** The kernel's numbers of the namespaces that a process is in; those that it may not tell lack. */
export type Namespaces = Readonly<Partial<Record<NamespaceType | 'time_for_children', string>>>;

/** A thread, as its status tells. */
export interface Thread {
  readonly tid: number;
  readonly state: string;
  readonly tracer: number;
  /** Times that it was switched away from: the same number again means that it has not run. */
  readonly switches: string;
}

/** A process of the tree. */
export interface Task {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly threads: readonly Thread[];
  /** In its innermost pid namespace. */
  readonly innerPid: number;
  readonly innerSession: number;
  /** In ours; 0 when the leader is outside. */
  readonly session: number;
  /** The device of its controlling terminal; 0 for none. */
  readonly terminal: { major: number; minor: number };
  readonly uid: number;
  readonly permitted: bigint;
  /** Private memory in bytes, swapped out or not. */
  readonly privateBytes: number;
  readonly namespaces: Namespaces;
}

/** Reads a process and all below it, parents first. What ends meanwhile is left out. */
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
  const [status, stat, namespaces, tids] = await Promise.all([
    proc.text(`${pid}/status`),
    proc.text(`${pid}/stat`),
    readNamespaces(proc, pid),
    proc.names(`${pid}/task`),
  ]);
  if (status === undefined || stat === undefined) return undefined;
  const threads: Thread[] = [];
  await forEach(tids ?? [], budget, async (tid) => {
    const text = await proc.text(`${pid}/task/${tid}/status`);
    if (text !== undefined) threads.push(readThread(Number(tid), text));
  });
  const { state, session, terminal } = parseProcessStat(stat);
  const field = (name: string): string => statusField(status, name);
  const inner = (name: string): number => Number(field(name).split(/\s+/).at(-1));
  const kib = (name: string): number => Number.parseInt(field(name) || '0', 10) * 1024;
  return {
    pid,
    name: field('Name'),
    state,
    threads: threads.sort((a, b) => a.tid - b.tid),
    // Kernels before 4.1 have no such lines; there the numbers are ours.
    innerPid: inner('NSpid') || pid,
    innerSession: field('NSsid') === '' ? session : inner('NSsid'),
    session,
    terminal: deviceNumbers(terminal),
    uid: Number(field('Uid').split(/\s+/)[0]),
    permitted: BigInt(`0x${field('CapPrm') || '0'}`),
    privateBytes: kib('RssAnon') + kib('VmSwap'),
    namespaces,
  };
}

function readThread(tid: number, status: string): Thread {
  const field = (name: string): string => statusField(status, name);
  return {
    tid,
    state: field('State').slice(0, 1),
    tracer: Number(field('TracerPid') || 0),
    switches: `${field('voluntary_ctxt_switches')} ${field('nonvoluntary_ctxt_switches')}`,
  };
}

/** How often a thread was switched away from, if it is still in uninterruptible sleep. */
export async function sleepsSince(
  proc: Procfs,
  pid: number,
  { tid, switches }: Thread,
): Promise<boolean> {
  const text = await proc.text(`${pid}/task/${tid}/status`);
  if (text === undefined) return false;
  const now = readThread(tid, text);
  return now.state === 'D' && now.switches === switches;
}

/** The children of all threads; a kernel that does not list them has them looked for. */
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
  if (isListed) return children;
  const names = (await proc.names('.')) ?? [];
  await forEach(
    names.filter((name) => /^\d+$/.test(name)),
    budget,
    async (name) => {
      const status = await proc.text(`${name}/status`);
      if (status && Number(statusField(status, 'PPid')) === pid) children.push(Number(name));
    },
  );
  return children;
}

export async function readNamespaces(proc: Procfs, pid: number | 'self'): Promise<Namespaces> {
  const found: Partial<Record<NamespaceType | 'time_for_children', string>> = {};
  for (const type of [...namespaceTypes, 'time_for_children'] as const) {
    const inode = /\[(\d+)\]$/.exec((await proc.link(`${pid}/ns/${type}`)) ?? '')?.[1];
    if (inode !== undefined) found[type] = inode;
  }
  return found;
}

/** A line of `/proc/PID/status`, without its name. */
export function statusField(status: string, name: string): string {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1] ?? '';
}

/** Of the number that the kernel packs in the old way into stat's tty_nr. */
function deviceNumbers(packed: number): { major: number; minor: number } {
  return { major: (packed >> 8) & 0xfff, minor: (packed & 0xff) | ((packed >> 12) & 0xfff00) };
}

/** Major and minor of a device as stat gives it. */
export function splitDevice(dev: bigint): { major: number; minor: number } {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
