import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kill } from '../linux/kill.js';
import { tryReadProcessStat, userHz } from '../linux/process-stat.js';
import type { NativeOutcome } from '../native/contract.js';

const maxLooks = 200;
const lookIntervalMs = 5;

/** The present time, in the ticks in which `/proc/PID/stat` tells start times. */
export function nowInTicks(): number {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'latin1').split(' ');
  return Math.floor(Number(uptime) * userHz);
}

/** What is known of a restore whose criu has died. */
interface BrokenRestore {
  /** The pids that the tasks were to have. */
  expected: readonly number[];
  outcome: NativeOutcome;
  /** When criu was asked: {@link nowInTicks}. */
  since: number;
  /** When it had died. */
  until: number;
  /** The program, which a task is until it has its own memory. */
  binary: string;
}

/**
 * Kills the tasks that a criu has begun to restore and, having died, left as they were: they would
 * wait for it for ever. They were started while criu ran; what they have started since is still criu's
 * program, as they go no further without it. Another process that has got one of their pids is
 * neither.
 *
 * @returns those that were killed.
 */
export async function killLeftovers(restore: BrokenRestore): Promise<number[]> {
  const { expected, outcome, since, until, binary } = restore;
  const program = identityOf(binary);
  const candidates = tasksOf(expected, outcome);
  const find = (isDead: boolean): Leftover[] =>
    candidates.flatMap((pid): Leftover[] => {
      const stat = tryReadProcessStat(pid);
      if (stat === undefined || stat.isDead !== isDead || stat.startTime < since) return [];
      const isOfCriu = stat.startTime <= until || isProgram(pid, program);
      return isOfCriu ? [{ pid, startTime: stat.startTime }] : [];
    });
  // Those that had not left criu's process group have ended with it, and wait to be reaped.
  const killed = new Set(find(true).map(({ pid }) => pid));
  // They may be starting one another, so this goes on until none is left.
  for (let look = 0; look < maxLooks; look++) {
    const found = find(false);
    if (found.length === 0) break;
    for (const leftover of found) {
      killed.add(leftover.pid);
      tryKill(leftover);
    }
    await sleep(lookIntervalMs);
  }
  return [...killed];
}

interface Leftover {
  readonly pid: number;
  readonly startTime: number;
}

/** One that may not be killed is no reason to let the others wait. */
function tryKill({ pid, startTime }: Leftover): void {
  try {
    kill(pid, { startTime });
  } catch {
    // It is looked for again.
  }
}

/** By what a file is the same one, whatever its path; undefined when it is gone. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function isProgram(pid: number, program: string | undefined): boolean {
  return program !== undefined && identityOf(`/proc/${pid}/exe`) === program;
}

/**
 * Waits, for a second at most, until the tasks have ended that CRIU has killed after a failure: they
 * may still be dying when it answers.
 *
 * @param expected - The pids that they were to have.
 * @param since - When criu was asked: {@link nowInTicks}.
 * @returns those that wait to be reaped, and those that have not ended.
 */
export async function untilEnded(
  expected: readonly number[],
  outcome: NativeOutcome,
  since: number,
): Promise<number[]> {
  let left = tasksOf(expected, outcome);
  for (let look = 0; look < maxLooks; look++) {
    const stats = left.map((pid) => ({ pid, stat: tryReadProcessStat(pid) }));
    const ours = stats.filter(({ stat }) => stat !== undefined && stat.startTime >= since);
    left = ours.map(({ pid }) => pid);
    if (ours.every(({ stat }) => stat?.isDead)) break;
    await sleep(lookIntervalMs);
  }
  return left;
}

/** What a restore may have made. For a tree with a pid namespace of its own only CRIU can tell the pid. */
function tasksOf(expected: readonly number[], { pid: root, events }: NativeOutcome): number[] {
  const told = events.flatMap(({ pid = 0 }) => pid);
  return [...new Set([...told, root, ...expected])].filter((pid) => pid > 0);
}
