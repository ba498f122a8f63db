import type { LogFollower } from '../criu/log-follower.js';
import { type LoggedPromise, withLog } from '../criu/log-promise.js';

/** A dump under way. */
export interface DumpPromise<T> extends LoggedPromise<T> {
  /**
   * Resolves when the lazy pages can be fetched. For a dump without `lazyPages` it resolves with
   * the dump itself. Rejects with the dump's error when the dump fails before. Nobody has to listen
   * to it.
   */
  readonly statusReady: Promise<void>;
}

/**
 * Runs a dump.
 *
 * @param run - Gets a function to be called when the lazy pages can be fetched, and what is told where
 * the log is.
 */
export function withStatus<T extends { logFile: string }>(
  run: (statusReady: () => void, log: LogFollower) => Promise<T>,
): DumpPromise<T> {
  let ready = (): void => {};
  let fail = (_error: unknown): void => {};
  const statusReady = new Promise<void>((resolve, reject) => {
    [ready, fail] = [resolve, reject];
  });
  statusReady.catch(() => {});
  const result = withLog(runAndTell);
  return Object.defineProperty(result, 'statusReady', {
    get: () => {
      // Whoever listens to this is told of a failure by it.
      result.catch(() => {});
      return statusReady;
    },
  }) as DumpPromise<T>;

  async function runAndTell(log: LogFollower): Promise<T> {
    try {
      const value = await run(ready, log);
      ready();
      return value;
    } catch (error) {
      fail(error);
      throw error;
    }
  }
}
