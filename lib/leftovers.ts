import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodePids } from './images/pstree.js';
import type { NativeOutcome } from './native.js';

/** Ticks a second of the times in `/proc`, on every platform of Linux. */
const userHz = 100;
const maxLooks = 200;
const lookIntervalMs = 5;

/** Now, as `/proc/PID/stat` counts. */
export function nowInTicks(): number {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'latin1').split(' ');
  return Math.floor(Number(uptime) * userHz);
}

/**
 * Kills the tasks that a criu has begun to restore and, having died, left as they were: they would
 * wait for it for ever. Another process that has got one of their pids is not among them: it would
 * have to have been started since.
 *
 * @param pstree - Path of the image that names them.
 * @param since - When criu was asked: {@link nowInTicks}.
 * @returns those that were killed.
 */
export async function killLeftovers(
  pstree: string,
  outcome: NativeOutcome,
  since: number,
): Promise<number[]> {
  const inImages = await readFile(pstree)
    .then(decodePids)
    .catch(() => []);
  // Of a tree with a pid namespace of its own only CRIU can tell the pid; the others die with it.
  const told = outcome.events.flatMap(({ pid = 0 }) => (pid > 0 ? pid : []));
  const pids = inImages[0] === 1 ? told : [...told, ...inImages];
  // Those that had not left criu's process group have ended with it, and wait to be reaped.
  const killed = new Set(pids.filter((pid) => (startOf(pid, true) ?? -1) >= since));
  // Until none is left, for they make each other.
  for (let look = 0; look < maxLooks; look++) {
    const found = pids.filter((pid) => (startOf(pid) ?? -1) >= since);
    if (found.length === 0) break;
    for (const pid of found) {
      killed.add(pid);
      kill(pid);
    }
    await sleep(lookIntervalMs);
  }
  return [...killed];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}

/** Undefined of what is gone, and of what is not as dead as asked. */
function startOf(pid: number, isDead: boolean = false): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (fields[0] === 'Z' || fields[0] === 'X') === isDead ? Number(fields[19]) : undefined;
  } catch {
    return undefined;
  }
}
