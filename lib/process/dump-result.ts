import type { OperationResult } from '../criu/result.js';
import type { Outcome } from '../criu/run.js';
import { type DumpStages, dumpStages } from '../criu/stages.js';
import type { DumpStats } from '../images/stats.js';
import { type Steps, stepTimes } from './steps.js';

/** What a dump has to tell. */
export interface DumpResult extends OperationResult {
  /** The root of the tree that was dumped. */
  pid: number;
  /** CRIU's own figures; undefined where it writes none that are right (lazy pages). */
  stats: DumpStats | undefined;
  /**
   * The size of all files in the images directory, in bytes. What went to a page server is elsewhere, and
   * holes in a file count as if they were there.
   */
  bytes: number;
  /** How many files there are in the images directory. */
  files: number;
  /** Where the time went. */
  timings: DumpTimings;
  /**
   * What CRIU's success does not tell, a sentence each: a process of the container that was left out,
   * a cgroup that could not be removed, a poststop hook that failed.
   */
  warnings: readonly string[];
}

/**
 * Our own measurements of one dump, in milliseconds. All but `stages` and `pauseMs` are parts of
 * `durationMs`, and add up to it.
 */
export interface DumpTimings {
  /** Looking for the container, checks, and waiting for a turn. */
  queuedMs: number;
  /** The last checks, the locks and the directories: until the request can be sent. */
  prepareMs: number;
  /** Until a criu process was there: next to nothing when a spare was. */
  workerReadyMs: number;
  /** Freezing the cgroup; 0 when CRIU froze the tree itself. */
  freezeMs: number;
  /** From the request to CRIU's answer. */
  criuMs: number;
  /** Thawing the cgroup; 0 when CRIU did it. */
  thawMs: number;
  /** Reading the results, and putting images and archive in their place. */
  finishMs: number;
  /** Destroying the container; 0 when it was left running. */
  destroyMs: number;
  /** What CRIU has spent its time on. */
  stages: DumpStages;
  /** For how long the application stood still, or until it was gone; undefined when not known. */
  pauseMs: number | undefined;
}

/** The times of a dump, with what CRIU tells of its own. */
export function timingsOf(
  outcome: Outcome,
  steps: Steps,
  stats: DumpStats | undefined,
): DumpTimings {
  const { freezing, replied = 0, thawed = replied } = outcome.timeline;
  const byCriu = stats && (stats.freezingTimeUs + stats.frozenTimeUs) / 1000;
  return {
    ...stepTimes(outcome, steps),
    destroyMs: 0,
    stages: dumpStages(outcome, stats),
    pauseMs: freezing === undefined ? byCriu : thawed - freezing,
  };
}
