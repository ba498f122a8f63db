import { setTimeout as sleep } from 'node:timers/promises';
import { option, sentence } from '../../base/sentence.js';
import { parseProcessStat } from '../../linux/process-stat.js';
import { namespaceTypes, sleepsSince, type Task } from '../../linux/process-tree.js';
import type { Procfs } from '../../linux/procfs.js';
import { findSharing, type Shared } from '../../linux/shared.js';
import type { Scan } from '../scan.js';

/** A task that sleeps for so long without being switched away from once is stuck. */
const patienceMs = 60;

/** Looks for tasks that CRIU cannot stop, and for namespaces that it cannot make again. */
export async function checkTasks(scan: Scan, isSelf: boolean): Promise<void> {
  for (const task of scan.tasks) {
    checkTracer(scan, task);
    checkZombie(scan, task);
    checkNamespaces(scan, task);
  }
  checkRootNamespace(scan);
  await checkSharing(scan);
  if (!isSelf) checkSelf(scan);
  await checkSleepers(scan);
}

function checkTracer({ report }: Scan, { pid, threads }: Task): void {
  for (const { tid, tracer } of threads) {
    if (tracer === 0) continue;
    report(
      {
        code: 'task-traced',
        severity: 'fails',
        pid,
        subject: `thread ${tid}`,
        message:
          `Process ${pid} is being traced by process ${tracer} (a debugger or strace), and a task ` +
          'has only one tracer: detach it',
      },
      '',
    );
  }
}

function checkZombie({ report, root }: Scan, task: Task): void {
  const { pid, state, threads, name } = task;
  if (state !== 'Z' && state !== 'X') return;
  const about = { code: 'zombie', pid, subject: name } as const;
  if (threads.some((thread) => thread.tid !== pid && thread.state !== 'Z')) {
    report({
      ...about,
      severity: 'fails',
      message:
        `The first thread of process ${pid} has ended and others run on, which CRIU does not ` +
        'support: have the first thread wait for the others',
    });
  } else if (pid === root.pid) {
    report({
      ...about,
      severity: 'fails',
      message: `Process ${pid} has ended and waits for its parent: there is nothing left to dump`,
    });
  } else {
    report({
      ...about,
      severity: 'notice',
      message: `Process ${pid} is a zombie and is saved as one: have its parent wait for it`,
    });
  }
}

/** A tree can have several network and mount namespaces, and of the other types one. */
function checkNamespaces(scan: Scan, task: Task): void {
  const { report, root, own } = scan;
  const { pid, namespaces } = task;
  for (const type of namespaceTypes) {
    const inode = namespaces[type];
    const isKnown = inode === undefined || inode === root.namespaces[type] || inode === own[type];
    if (type === 'net' || type === 'mnt' || isKnown) continue;
    report({
      code: 'namespace-nested',
      severity: 'fails',
      pid,
      subject: `${type}:[${inode}]`,
      message:
        `Process ${pid} is in a ${type} namespace of its own inside of the tree, which CRIU does ` +
        'not support: dump it by itself, or start it without that namespace',
    });
  }
  checkTimeNamespace(scan, task);
}

const sharedWords: Readonly<Record<Shared, string>> = {
  memory: 'their memory (CLONE_VM)',
  descriptors: 'their descriptors (CLONE_FILES) and are not parent and child',
  directories: 'their working and root directory (CLONE_FS)',
  signalHandlers: 'their signal handlers (CLONE_SIGHAND)',
};

/** Threads share all of it; of processes, CRIU saves only descriptors that are a parent's, too. */
async function checkSharing(scan: Scan): Promise<void> {
  const { tasks, report } = scan;
  const parents = new Map(tasks.map(({ pid, parent }) => [pid, parent]));
  const living = tasks.filter(({ state }) => state !== 'Z' && state !== 'X').map(({ pid }) => pid);
  for (const what of ['memory', 'directories', 'descriptors', 'signalHandlers'] as const) {
    const found = findSharing(what, living);
    for (const group of what === 'memory' ? await withoutSpawning(scan, found) : found) {
      const heads = group.filter((pid) => !group.includes(parents.get(pid) ?? 0));
      const [first = 0, second = 0] = what === 'descriptors' ? heads : group;
      if (second === 0) continue;
      report({
        code: 'task-shared',
        severity: 'fails',
        pid: first,
        subject: `process ${second}`,
        message:
          `Processes ${first} and ${second} share ${sharedWords[what]}, which CRIU does not ` +
          'support: start them by fork()',
      });
    }
  }
}

/**
 * Leaves out those that are starting a program: the child has the memory of its parent until it begins
 * with the program, and the parent waits for that (vfork).
 */
async function withoutSpawning(
  { proc }: Scan,
  groups: readonly (readonly number[])[],
): Promise<readonly (readonly number[])[]> {
  if (groups.length === 0) return groups;
  await sleep(patienceMs);
  const still = findSharing('memory', groups.flat());
  const waits = await Promise.all(still.map((group) => isAnyWaiting(proc, group)));
  return still.filter((_, index) => !waits[index]);
}

async function isAnyWaiting(proc: Procfs, pids: readonly number[]): Promise<boolean> {
  for (const pid of pids) {
    for (const tid of (await proc.names(`${pid}/task`)) ?? []) {
      const stat = await proc.text(`${pid}/task/${tid}/stat`);
      if (stat !== undefined && parseProcessStat(stat).state === 'D') return true;
    }
  }
  return false;
}

function checkTimeNamespace({ report }: Scan, { pid, namespaces }: Task): void {
  const { time, time_for_children: children } = namespaces;
  if (time === children || time === undefined || children === undefined) return;
  report({
    code: 'namespace-nested',
    severity: 'fails',
    pid,
    subject: `time:[${children}]`,
    message:
      `Process ${pid} has another time namespace for its children than it is in itself, which CRIU ` +
      'does not support: start it in that namespace',
  });
}

function checkRootNamespace({ report, root, own, allowed }: Scan): void {
  const { pid, innerPid, namespaces } = root;
  const { pid: inode } = namespaces;
  if (inode === undefined || inode === own.pid || innerPid === 1) return;
  if (allowed.externals.has(`pid[${inode}]`)) return;
  const value = [`pid[${inode}]:extRootPidNS`];
  report({
    code: 'namespace-init',
    severity: 'needs-option',
    pid,
    subject: `pid:[${inode}]`,
    option: 'external',
    value,
    message: sentence`Process ${pid} is in a pid namespace whose init it is not: dump its init and
      with it the whole namespace, or restore into an existing one with
      ${option('external', value)}`,
  });
}

function checkSelf({ report, tasks, root }: Scan): void {
  if (!tasks.some(({ pid }) => pid === process.pid)) return;
  report({
    code: 'self',
    severity: 'fails',
    pid: root.pid,
    subject: `process ${process.pid}`,
    message:
      'The tree holds this very process, and with it the criu that it starts: dump from outside of ' +
      'the tree, or let the process checkpoint itself',
  });
}

/** A disk may keep a task waiting at any moment, but a task that has not moved for a while is stuck. */
async function checkSleepers({ tasks, proc, report }: Scan): Promise<void> {
  const sleepers = tasks.flatMap((task) =>
    task.threads.filter(({ state }) => state === 'D').map((thread) => ({ task, thread })),
  );
  if (sleepers.length === 0) return;
  await sleep(patienceMs);
  for (const { task, thread } of sleepers) {
    if (!(await sleepsSince(proc, task.pid, thread))) continue;
    report(
      {
        code: 'task-uninterruptible',
        severity: 'fails',
        pid: task.pid,
        subject: `thread ${thread.tid}`,
        message:
          `Process ${task.pid} is in uninterruptible sleep and cannot be stopped, which CRIU ` +
          'waits for until its limit: wait for the device or the child (vfork) that it waits for',
      },
      '',
    );
  }
}
