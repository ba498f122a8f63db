import { availableParallelism, loadavg } from 'node:os';

/**
 * How many times longer than on an idle machine something may take here and now: a test process
 * shares its processors with whatever else runs. To be asked when a limit is over and not before,
 * because other work may have begun meanwhile.
 */
export function patience(): number {
  const [load = 0] = loadavg();
  return Math.max(1, (load + 1) / availableParallelism());
}

/** A limit for an idle machine as it holds here and now. */
export function patientMs(ms: number): number {
  return Math.ceil(ms * patience());
}

/**
 * Tries again what can fail because the machine stood still at the wrong moment. What is wrong fails
 * each time.
 *
 * @param attempt - Gives whether it was in time.
 */
export async function inSomeRound(
  what: string,
  attempt: () => Promise<boolean>,
  rounds = 5,
): Promise<void> {
  for (let round = 0; round < rounds; round++) if (await attempt()) return;
  throw new Error(`${what}: not in one of ${rounds} rounds`);
}
