import type { OperationResult } from '../criu/result.js';
import type { RestoreStages } from '../criu/stages.js';
import type { RestoreStats } from '../images/stats.js';

/** What a restore has to tell. */
export interface RestoreResult extends OperationResult {
  /** The root of the restored tree, as this process sees it. */
  pid: number;
  /** CRIU's own figures; undefined where it wrote none. */
  stats: RestoreStats | undefined;
  /** Where the time went. */
  timings: RestoreTimings;
  /**
   * With `restoreSibling`: how the root task ends. It is reaped, and keeps this process alive, as a
   * child of `node:child_process` does.
   */
  exited: Promise<ChildExit> | undefined;
}

/** How a child ended, as `node:child_process` tells it. */
export interface ChildExit {
  /** Its exit status; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Our own measurements of one restore, in milliseconds. */
export interface RestoreTimings {
  /** Checks, and waiting for a turn. */
  queuedMs: number;
  /** Until a criu process was there: next to nothing when a spare was. */
  workerReadyMs: number;
  /** From the request to CRIU's answer. */
  criuMs: number;
  /** What CRIU has spent its time on. */
  stages: RestoreStages;
}
