import type { OperationResult } from '../criu/result.js';
import { type DumpStages, dumpStages } from '../criu/stages.js';
import type { DumpStats } from '../images/stats.js';
import type { NativeOutcome } from '../native/contract.js';

/** What a dump has to tell. */
export interface DumpResult extends OperationResult {
  /** The root of the tree that was dumped. */
  pid: number;
  /** CRIU's own figures; undefined where it writes none that are right (lazy pages). */
  stats: DumpStats | undefined;
  /** Where the time went. */
  timings: DumpTimings;
  /**
   * What CRIU's success does not tell, a sentence each: a process of the container that was left out,
   * a cgroup that could not be removed, a poststop hook that failed.
   */
  warnings: readonly string[];
}

/** Our own measurements of one dump, in milliseconds. */
export interface DumpTimings {
  /** Checks, and waiting for a turn. */
  queuedMs: number;
  /** Until a criu process was there: next to nothing when a spare was. */
  workerReadyMs: number;
  /** Freezing the cgroup; 0 when CRIU froze the tree itself. */
  freezeMs: number;
  /** From the request to CRIU's answer. */
  criuMs: number;
  /** Thawing the cgroup; 0 when CRIU did it. */
  thawMs: number;
  /** Destroying the container; 0 when it was left running. */
  destroyMs: number;
  /** What CRIU has spent its time on. */
  stages: DumpStages;
  /** For how long the application stood still, or until it was gone; undefined when not known. */
  pauseMs: number | undefined;
}

/** The times that the native side has taken. */
export function timingsOf(
  outcome: NativeOutcome,
  queuedMs: number,
  stats: DumpStats | undefined,
): DumpTimings {
  const { workerReady = 0, freezing, frozen, sent = 0, replied = 0, thawed } = outcome.timeline;
  const byCriu = stats && (stats.freezingTimeUs + stats.frozenTimeUs) / 1000;
  return {
    queuedMs,
    workerReadyMs: workerReady,
    freezeMs: freezing === undefined ? 0 : (frozen ?? freezing) - freezing,
    criuMs: replied - sent,
    thawMs: thawed === undefined ? 0 : thawed - replied,
    destroyMs: 0,
    stages: dumpStages(outcome, stats),
    pauseMs: freezing === undefined ? byCriu : (thawed ?? replied) - freezing,
  };
}
