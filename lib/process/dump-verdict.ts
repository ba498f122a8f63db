import { existsSync } from 'node:fs';
import type { Outcome } from '../criu/run.js';
import type { Keep, Outputs } from '../images/outputs.js';
import type { MemoryTracking } from '../images/tracking.js';

/** How a dump ended, and what is kept of it. */
export type Verdict =
  | { keep: 'images'; outcome: Outcome }
  | { keep: Exclude<Keep, 'images'>; error: unknown };

/**
 * Decides what is kept of a dump that CRIU was asked for.
 *
 * CRIU kills the tasks after `post-dump` and before it answers. Should it die in between, its
 * images may be all that is left of them.
 */
export function whatToKeep(
  { success, replied, events }: Pick<Outcome, 'success' | 'replied' | 'events'>,
  pid: number,
  isThere: (pid: number) => boolean = (one) => existsSync(`/proc/${one}`),
): Exclude<Keep, 'nothing'> {
  if (success) return 'images';
  const isComplete = events.some(({ name }) => name === 'post-dump');
  return isComplete && !replied && !isThere(pid) ? 'rescue' : 'log';
}

/**
 * Carries out the verdict on a dump.
 *
 * @returns CRIU's outcome of a dump that has succeeded.
 * @throws the error of one that has failed.
 */
export async function settle(
  verdict: Verdict,
  outputs: Outputs,
  tracking: MemoryTracking | undefined,
): Promise<Outcome> {
  if (verdict.keep === 'images') {
    // From here on the images may be all that is left of the tree, whatever fails now.
    await tracking?.succeed();
    await outputs.settle('images');
    return verdict.outcome;
  }
  await tracking?.fail(outputs.openLogFile);
  await outputs.settle(verdict.keep);
  throw verdict.error;
}
