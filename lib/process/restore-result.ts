import type { Readable, Writable } from 'node:stream';
import type { Channel } from '../channel/channel.js';
import type { OperationResult } from '../criu/result.js';
import type { Outcome } from '../criu/run.js';
import { type RestoreStages, restoreStages } from '../criu/stages.js';
import type { RestoreStats } from '../images/stats.js';
import { type Steps, stepTimes } from './steps.js';

/** What a restore has to tell. */
export interface RestoreResult extends OperationResult {
  /** The root of the restored tree, as this process sees it. */
  pid: number;
  /** CRIU's own figures; undefined where it wrote none. */
  stats: RestoreStats | undefined;
  /** Where the time went. */
  timings: RestoreTimings;
  /**
   * With `restoreSibling` or `pidNamespace`: how the root task ends. It is reaped, and keeps this
   * process alive, as a child of `node:child_process` does.
   */
  exited: Promise<ChildExit> | undefined;
  /** With `channel`: messages to and from the restored program. */
  channel: Channel | undefined;
}

/** What a restore with `pidNamespace: 'new'` has to tell. */
export interface CloneResult extends RestoreResult {
  /** How the root task ends, once all others of its pid namespace have ended as well. */
  exited: Promise<ChildExit>;
  /** Our end of the pipe that `stdio` has made its standard input; null without one. */
  stdin: Writable | null;
  /** The same of its standard output. */
  stdout: Readable | null;
  /** The same of its standard error. */
  stderr: Readable | null;
}

/** How a child ended, as `node:child_process` tells it. */
export interface ChildExit {
  /** Its exit status; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Our own measurements of one restore, in milliseconds. All but `stages` are parts of `durationMs`, and
 * add up to it.
 */
export interface RestoreTimings {
  /** Checks, and waiting for a turn. */
  queuedMs: number;
  /** The directories and their locks, and waiting for the pids: until the request can be sent. */
  prepareMs: number;
  /** Until a criu process was there: next to nothing when a spare was. */
  workerReadyMs: number;
  /** From the request to CRIU's answer. */
  criuMs: number;
  /** Reading the results. */
  finishMs: number;
  /** What CRIU has spent its time on. */
  stages: RestoreStages;
}

/** The times of a restore, for which nothing is frozen. */
export function timingsOf(outcome: Outcome, steps: Steps): RestoreTimings {
  const { freezeMs: _freeze, thawMs: _thaw, ...times } = stepTimes(outcome, steps);
  return { ...times, stages: restoreStages(outcome) };
}
