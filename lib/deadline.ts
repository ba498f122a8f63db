/** A caller's signal and time limit in one, with which an operation is given up. */
export interface Deadline {
  signal: AbortSignal;
  /** Takes timer and listener away, when the operation is over. */
  end(): void;
}

/**
 * Starts the time. Not by `AbortSignal.any()` and `timeout()`: on Node 20 a timeout that is held
 * through `any()` alone is collected as garbage, and never comes.
 */
export function startDeadline(
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          controller.abort(new DOMException(`${timeoutMs} ms are over`, 'TimeoutError'));
        }, timeoutMs);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}
