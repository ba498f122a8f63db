import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kill } from '../linux/kill.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import type { NativeOutcome } from '../native/contract.js';

/** The times in `/proc` count in ticks of this many a second, on every platform of Linux. */
const userHz = 100;
const maxLooks = 200;
const lookIntervalMs = 5;

/** The present time, in the ticks in which `/proc/PID/stat` tells start times. */
export function nowInTicks(): number {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'latin1').split(' ');
  return Math.floor(Number(uptime) * userHz);
}

/**
 * Kills the tasks that a criu has begun to restore and, having died, left as they were: they would
 * wait for it for ever. Another process that has got one of their pids is not among them: it would
 * have to have been started since.
 *
 * @param expected - The pids that they were to have.
 * @param since - When criu was asked: {@link nowInTicks}.
 * @returns those that were killed.
 */
export async function killLeftovers(
  expected: readonly number[],
  outcome: NativeOutcome,
  since: number,
): Promise<number[]> {
  const candidates = tasksOf(expected, outcome);
  const startedSince = (isDead: boolean): number[] =>
    candidates.filter((pid) => {
      const stat = tryReadProcessStat(pid);
      return stat !== undefined && stat.isDead === isDead && stat.startTime >= since;
    });
  // Those that had not left criu's process group have ended with it, and wait to be reaped.
  const killed = new Set(startedSince(true));
  // They may be starting one another, so this goes on until none is left.
  for (let look = 0; look < maxLooks; look++) {
    const found = startedSince(false);
    if (found.length === 0) break;
    for (const pid of found) {
      killed.add(pid);
      kill(pid);
    }
    await sleep(lookIntervalMs);
  }
  return [...killed];
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
