import { errnoOf } from '../base/errors.js';

/**
 * Kills a process.
 *
 * @returns why that could not be done; undefined also for a process that is gone.
 */
export function kill(pid: number): Error | undefined {
  try {
    process.kill(pid, 'SIGKILL');
    return undefined;
  } catch (error) {
    return errnoOf(error) === 'ESRCH' ? undefined : (error as Error);
  }
}
