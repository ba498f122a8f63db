import { readFile } from '../base/files.js';
import { numbersIn, recordsIn } from './records.js';

const pstreeMagic = 0x50273030;
/** The fields of a task that are pids: its own, its process group, its session, and its threads. */
const pidField = 1;
const groupField = 3;
const sessionField = 4;
const threadsField = 5;
const pidFields = [pidField, groupField, sessionField, threadsField];

/** The pids that a `pstree.img` needs. */
export interface NeededPids {
  /** The root's; undefined for a file without tasks. */
  root: number | undefined;
  /** All ids of tasks, threads, process groups and sessions. */
  all: ReadonlySet<number>;
}

/**
 * Decodes the content of a `pstree.img` file: the pids of the tasks as the tasks see them, the root's
 * first.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodePids(file: Uint8Array): number[] {
  return tasksIn(file).map(pidOf);
}

/**
 * Decodes all ids that the processes of a `pstree.img` file have to have.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodeNeededPids(file: Uint8Array): NeededPids {
  const tasks = tasksIn(file);
  const [root] = tasks.map(pidOf);
  return { root, all: new Set(tasks.flatMap((task) => numbersIn(task, pidFields))) };
}

/** The message of each task, the root's first. */
function tasksIn(file: Uint8Array): Uint8Array[] {
  return recordsIn(file, pstreeMagic, 'pstree.img');
}

/**
 * Reads the pids that the tasks of a `pstree.img` had, and will have, in our pid namespace, the root's
 * first.
 *
 * @returns none for a tree with a pid namespace of its own, nor for a file that cannot be read: CRIU
 * will say what is wrong with it.
 */
export async function pidsAmongOurs(path: string): Promise<number[]> {
  const pids = await readFile(path)
    .then(decodePids)
    .catch(() => []);
  return pids[0] === 1 ? [] : pids;
}

/** Reads what {@link decodeNeededPids} decodes; none of a file that cannot be read. */
export async function neededPids(path: string): Promise<NeededPids> {
  return await readFile(path)
    .then(decodeNeededPids)
    .catch(() => ({ root: undefined, all: new Set<number>() }));
}

function pidOf(task: Uint8Array): number {
  const [pid] = numbersIn(task, [pidField]);
  if (pid === undefined) throw new Error('pstree.img has a task without a pid');
  return pid;
}
