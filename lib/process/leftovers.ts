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
  // For a tree with a pid namespace of its own only CRIU can tell the pid; the others die with it.
  const told = outcome.events.flatMap(({ pid = 0 }) => (pid > 0 ? pid : []));
  const startedSince = (isDead: boolean): number[] =>
    [...told, ...expected].filter((pid) => {
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
