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
