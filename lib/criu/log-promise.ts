import { LogFollower } from './log-follower.js';
import type { LogRecord } from './log-records.js';

/** An operation under way. */
export interface LoggedPromise<T> extends Promise<T> {
  /**
   * CRIU's log, as CRIU writes it, to be asked for right after the call. It ends with the operation: after
   * the last record of one that fails, the iteration throws its error. Each iteration reads the log from
   * its beginning. A slow one holds nothing up and misses nothing. One that is left early, as by `break`,
   * keeps nothing open.
   *
   * @example
   * ```ts
   * const dumping = dump(4711, { imagePath: '/var/lib/ckpt/app' });
   * for await (const { level, message } of dumping.log) if (level !== 'info') console.log(message);
   * await dumping;
   * ```
   */
  readonly log: AsyncIterable<LogRecord>;
}

/**
 * Runs an operation whose log can be followed.
 *
 * @param run - Gets what is told where the log is, until it settles.
 */
export function withLog<T extends { logFile: string }>(
  run: (log: LogFollower) => Promise<T>,
): LoggedPromise<T> {
  const log = new LogFollower();
  const result = runAndTell();
  return Object.defineProperty(result, 'log', {
    get: () => {
      // Whoever reads it is told of a failure by it.
      result.catch(() => {});
      return log.wanted();
    },
  }) as LoggedPromise<T>;

  // Nothing but the caller waits for its promise: only so does the stack of an error lead there.
  async function runAndTell(): Promise<T> {
    try {
      const value = await run(log);
      log.succeed(value.logFile);
      return value;
    } catch (error) {
      log.fail(error);
      throw error;
    }
  }
}
