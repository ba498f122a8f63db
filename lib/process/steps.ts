import type { Outcome } from '../criu/run.js';

/** When a dump or restore came to its steps: `performance.now()`. */
export interface Steps {
  /** It was called for. */
  called: number;
  /** It was its turn. */
  turn: number;
  /** It is over. */
  end: number;
}

/** How long each step has taken, in milliseconds. They add up to the whole. */
export interface StepTimes {
  queuedMs: number;
  prepareMs: number;
  workerReadyMs: number;
  freezeMs: number;
  criuMs: number;
  thawMs: number;
  finishMs: number;
}

/** The times of the steps, and those that the native side has taken. */
export function stepTimes(
  { startedAt, timeline }: Pick<Outcome, 'startedAt' | 'timeline'>,
  { called, turn, end }: Steps,
): StepTimes {
  const { workerReady = 0, freezing, frozen, sent = 0, replied = 0, thawed } = timeline;
  const freezeMs = freezing === undefined ? 0 : (frozen ?? freezing) - freezing;
  const over = thawed ?? replied;
  return {
    queuedMs: turn - called,
    prepareMs: startedAt - turn + sent - workerReady - freezeMs,
    workerReadyMs: workerReady,
    freezeMs,
    criuMs: replied - sent,
    thawMs: over - replied,
    finishMs: end - startedAt - over,
  };
}
