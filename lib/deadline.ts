import { abortError, CriuError } from './errors.js';
import type { Queue } from './queue.js';

/** What bounds an operation: the caller's options of these names. */
export interface Bounds {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

/** A caller's signal and time limit in one, with which an operation is given up at every stage. */
export class Deadline {
  readonly #operation: string;
  readonly #bounds: Bounds;
  readonly #controller = new AbortController();

  /** Use {@link withDeadline}. */
  constructor(operation: string, bounds: Bounds) {
    this.#operation = operation;
    this.#bounds = bounds;
  }

  /** Aborted when the operation is given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Starts the time. Not by `AbortSignal.any()` and `timeout()`: on Node 20 a timeout that is held
   * through `any()` alone is collected as garbage, and never comes.
   *
   * @returns what takes timer and listener away, when the operation is over.
   */
  start(): () => void {
    const { signal, timeoutMs } = this.#bounds;
    const abort = (): void => this.#controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            this.#controller.abort(new DOMException(`${timeoutMs} ms are over`, 'TimeoutError'));
          }, timeoutMs);
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  }

  /** Throws when the operation has been given up. */
  check(stage: string): void {
    if (this.signal.aborted) throw this.error(stage);
  }

  /**
   * Waits for a step of the operation, but not beyond its end: a file system that does not answer
   * holds nobody up. Only for steps that change nothing, or that `undo` can undo when they end later.
   *
   * @throws what the step throws, or that the operation was given up at this stage.
   */
  async bound<T>(
    stage: string,
    step: Promise<T>,
    undo: (value: T) => unknown = () => {},
  ): Promise<T> {
    const { signal } = this;
    let gaveUp = false;
    let giveUp = (): void => {};
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        gaveUp = true;
        step.then(undo).catch(() => {}); // nobody is there to be told
        reject(this.error(stage));
      };
    });
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    try {
      // By race(): through it the stack of what the step throws leads on to the caller.
      const value = await Promise.race([givenUp, step]);
      return gaveUp ? await givenUp : value;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Waits for a turn.
   *
   * @returns a function that ends the turn.
   */
  async enter(queue: Queue): Promise<() => void> {
    return queue.enter(this.signal).catch(() => {
      throw this.error('queued');
    });
  }

  /** The error of the operation, given up at this stage. */
  error(stage: string): Error {
    const { signal, timeoutMs } = this.#bounds;
    if (signal?.aborted) return abortError(signal.reason, stage);
    const operation = this.#operation;
    return new CriuError(
      'ERR_CRIU_TIMEOUT',
      `The ${operation} was given up at stage ${stage}: timeoutMs ${timeoutMs} is over`,
      { operation, stage, cause: this.signal.reason },
    );
  }
}

/**
 * Runs an operation within the bounds that its caller has set.
 *
 * @throws what the operation throws; that it was given up, when it was so from the start.
 */
export async function withDeadline<T>(
  operation: string,
  bounds: Bounds,
  run: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const deadline = new Deadline(operation, bounds);
  const end = deadline.start();
  try {
    deadline.check('start');
    return await run(deadline);
  } finally {
    end();
  }
}
