import type { OperationResult } from '../criu/result.js';
import type { DumpResult } from '../process/dump-result.js';

/** One pre-dump of an iteration. */
export interface IterationRound {
  /** From 1. */
  iteration: number;
  /** Absolute path of its images. */
  imagePath: string;
  /** Memory pages looked at, shared ones included, as in all of these numbers. */
  pagesScanned: number;
  /** Memory pages written. */
  pagesWritten: number;
  /** Memory pages left out because the rounds before have them as they are. */
  pagesSkipped: number;
  /** `pagesWritten` against the round before: -0.9 for a tenth of it; undefined for the first. */
  growth: number | undefined;
  /** For how long the tasks stood still in this round, in milliseconds. */
  frozenMs: number;
  /**
   * For how long they would stand still in a dump now, should as much memory have changed meanwhile
   * as did before this round: as long as they were frozen in it, and the time to write as many
   * pages. What else a dump does (descriptors, network, mounts) is not known before.
   */
  expectedFrozenMs: number;
  /** Milliseconds from the round's start to its end. */
  durationMs: number;
  /** The pre-dump as such. */
  result: DumpResult;
}

/** What ended the pre-dumps; `returned` is that of a loop that was left early. */
export type IterationStop =
  | 'targetFrozenMs'
  | 'targetPages'
  | 'notShrinking'
  | 'maxIterations'
  | 'returned';

/**
 * How an iteration ended. Its `imagePath` is the directory that holds the images of all rounds, and its
 * `durationMs` begins with the first step of the loop.
 */
export interface IterationResult<R extends DumpResult = DumpResult>
  extends Omit<OperationResult, 'logFile'> {
  /** Absolute path of CRIU's log of the last dump; undefined when the loop was left before any. */
  logFile: string | undefined;
  /** Why no further pre-dump was made. */
  stop: IterationStop;
  /** Absolute paths of the complete images, each the parent of the next, the final dump's last. */
  directories: readonly string[];
  rounds: readonly IterationRound[];
  /** The final dump, which is restored from; undefined when the loop was left before it. */
  final: R | undefined;
}

/**
 * A loop over pre-dumps. Each step makes one; when another would not help, the step after makes the
 * final dump and ends the loop. To leave the loop early leaves the tasks running and the images of
 * the rounds so far, which `result` names. A step that fails ends it too; a CriuError or AbortError has
 * them as `directories`. They are of no use as parents of a later dump then.
 */
export interface Iteration<R extends DumpResult = DumpResult>
  extends AsyncIterableIterator<IterationRound, IterationResult<R>, undefined> {
  return(): Promise<IteratorReturnResult<IterationResult<R>>>;
  [Symbol.asyncIterator](): Iteration<R>;
  /** Absolute paths of the complete images up to now, each the parent of the next. */
  readonly directories: readonly string[];
  /** How it ended, for those who loop with `for await`. Settles only if somebody loops. */
  readonly result: Promise<IterationResult<R>>;
}
