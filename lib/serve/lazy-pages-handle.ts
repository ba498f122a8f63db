import type { OperationResult } from '../criu/result.js';
import type { LazyPagesProgress } from './lazy-pages-log.js';

/** What a lazy-pages daemon has done. */
export interface LazyPagesResult extends OperationResult {
  /** Memory pages that the restored tasks were to get. */
  total: number;
  /** Those that they got; fewer when they ended or gave memory back meanwhile. */
  served: number;
}

/** A lazy-pages daemon that is ready for a restore. */
export interface LazyPagesHandle extends AsyncDisposable {
  /** Absolute path of the directory that `restore` must have as its `workPath`. */
  readonly workPath: string;
  /** Absolute path of CRIU's log. */
  readonly logFile: string;
  /**
   * Resolves when the restored tasks have all their memory. Rejects with a CriuError when that
   * could not be fetched: the tasks that were restored then find zeros in the place of what is
   * missing, and have to be ended. Rejects with an AbortError after `close` or an abort.
   */
  readonly finished: Promise<LazyPagesResult>;
  /** Tells how far it is. This is counted from its log, and needs the default `logLevel` of 4. */
  progress(): Promise<LazyPagesProgress>;
  /**
   * Ends it and waits for that. When tasks that were restored depend on it, it waits until they
   * have their memory instead; with `force` it ends it all the same, and they find zeros in the
   * place of what is missing: end them first. Never rejects.
   */
  close(options?: { force?: boolean }): Promise<void>;
}
