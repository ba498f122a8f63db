import type { Outside } from './command.js';

/**
 * Makes a call that a signal gives up.
 *
 * @param givenUp - What is said then, with the signal: `The dump of 7 was given up at SIGINT`.
 * @param call - Rejects with an AbortError when its signal is aborted.
 */
export async function interruptible<T>(
  { onInterrupt }: Pick<Outside, 'onInterrupt'>,
  givenUp: (signal: string) => string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let name: string | undefined;
  const stopListening = onInterrupt((signal) => {
    // A second signal cannot speed up a roll-back that is under way.
    name ??= signal;
    controller.abort();
  });
  try {
    return await call(controller.signal);
  } catch (error) {
    if (name === undefined || (error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
    throw new Error(givenUp(name), { cause: error });
  } finally {
    stopListening();
  }
}
