import {
  type AbortError,
  abortError,
  CriuError,
  namedBy,
  type Operation,
  withNote,
} from './errors.js';
import type { Queue } from './queue.js';
import { option, sentence } from './sentence.js';
import type { Stage } from './stage.js';
import { traced } from './tracing.js';

/** What bounds an operation: the caller's options of these names. */
export interface Bounds {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

/** What was begun is over so long after an operation is given up. */
const settlesMs = 2_000;
/** How much of that is kept for what comes after an explanation. */
const reserveMs = 200;

/** A caller's signal and time limit in one, with which an operation is given up at every stage. */
export class Deadline {
  /** When the operation was called for: `performance.now()`. */
  readonly startedAt: number = performance.now();
  readonly #operation: Operation;
  readonly #bounds: Bounds;
  /** Made when somebody wants it: it would be a large part of what a small dump costs. */
  #controller: AbortController | undefined;
  /** When the operation was given up: `performance.now()`. */
  #givenUpAt: number | undefined;
  /** The last one that is known. */
  #stage: Stage = 'start';
  #isDone = false;

  /** Use {@link withDeadline}. */
  constructor(operation: Operation, bounds: Bounds) {
    this.#operation = operation;
    this.#bounds = bounds;
  }

  /** How far the operation has come, as far as it was asked about its end. */
  get stage(): Stage {
    return this.#stage;
  }

  /** Whether the operation can be given up at all. */
  get isBounded(): boolean {
    const { signal, timeoutMs } = this.#bounds;
    return signal !== undefined || timeoutMs !== undefined;
  }

  /** Aborted when the operation is given up. */
  get signal(): AbortSignal {
    return this.#control().signal;
  }

  /** Says that what was asked for is done: it is told however long its end takes. */
  commit(): void {
    this.#isDone = true;
  }

  /**
   * Waits for the operation, but not for longer than two seconds after it was given up: a file system
   * that does not answer may hold it up at any step.
   *
   * @throws what the operation throws, or that it was given up.
   */
  async settled<T>(running: Promise<T>): Promise<T> {
    if (!this.isBounded) return running;
    let timer: NodeJS.Timeout | undefined;
    let callOff = (): void => {};
    const overdue = new Promise<never>((_resolve, reject) => {
      const giveUp = (): void => {
        if (!this.#isDone) reject(withNote(this.error(this.#stage), 'It had not ended 2 s later'));
      };
      callOff = this.whenGivenUp(() => {
        timer = setTimeout(giveUp, settlesMs);
      });
    });
    try {
      return await Promise.race([overdue, running]);
    } finally {
      callOff();
      clearTimeout(timer);
    }
  }

  /** How long what only explains a failure may take; no limit before the operation is given up. */
  get leftToSettleMs(): number {
    if (this.#givenUpAt === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#givenUpAt + settlesMs - reserveMs - performance.now());
  }

  #control(): AbortController {
    this.#controller ??= new AbortController();
    return this.#controller;
  }

  #giveUp(reason: unknown): void {
    this.#givenUpAt ??= performance.now();
    this.#control().abort(reason);
  }

  /**
   * Starts the time. `AbortSignal.any()` and `timeout()` would not do: Node 20 collects a timeout as
   * garbage that is held through `any()` alone, and it never comes.
   *
   * @returns what takes timer and listener away, when the operation is over.
   */
  start(): () => void {
    const { signal, timeoutMs } = this.#bounds;
    const abort = (): void => this.#giveUp(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            this.#giveUp(new DOMException(`${timeoutMs} ms are over`, 'TimeoutError'));
          }, timeoutMs);
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  }

  /** Throws when the operation has been given up. */
  check(stage: Stage): void {
    this.#stage = stage;
    if (this.#controller?.signal.aborted) throw this.error(stage);
  }

  /**
   * Waits for a step of the operation, but not beyond its end: a file system that does not answer
   * holds nobody up. Steps must change nothing, or be undone by `undo` when they end later.
   *
   * @throws what the step throws, or that the operation was given up at this stage.
   */
  bound<T>(stage: Stage, step: Promise<T>, undo?: (value: T) => unknown): Promise<T> {
    this.#stage = stage;
    return this.isBounded ? this.#untilGivenUp(stage, step, undo) : step;
  }

  async #untilGivenUp<T>(
    stage: Stage,
    step: Promise<T>,
    undo: (value: T) => unknown = () => {},
  ): Promise<T> {
    let gaveUp = false;
    let giveUp = (): void => {};
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        gaveUp = true;
        step.then(undo).catch(() => {}); // nobody is there to be told
        reject(this.error(stage));
      };
    });
    const callOff = this.whenGivenUp(giveUp);
    try {
      // Unlike a promise of our own, race() lets the stack of an error lead on to the caller.
      const value = await Promise.race([givenUp, step]);
      return gaveUp ? await givenUp : value;
    } finally {
      callOff();
    }
  }

  /**
   * Waits for a turn.
   *
   * @returns a function that ends the turn.
   */
  async enter(queue: Queue): Promise<() => void> {
    if (!this.isBounded) return queue.enter();
    return queue.enter(this.signal).catch(() => {
      throw this.error('queued');
    });
  }

  /**
   * Has `giveUp` called when the operation is given up; at once when it has been.
   *
   * @returns what calls that off.
   */
  whenGivenUp(giveUp: () => void): () => void {
    if (!this.isBounded) return () => {};
    const { signal } = this;
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    return () => signal.removeEventListener('abort', giveUp);
  }

  /** The error of the operation, given up at this stage. */
  error(stage: Stage): AbortError | CriuError {
    const { signal, timeoutMs } = this.#bounds;
    if (signal?.aborted) return abortError(signal.reason, stage);
    const operation = this.#operation;
    return new CriuError(
      'ERR_CRIU_TIMEOUT',
      sentence`The ${operation} was given up at stage ${stage}: ${option('timeoutMs')}
        ${timeoutMs ?? 0} is over`,
      { operation, stage, cause: this.signal.reason },
    );
  }
}

/**
 * Runs an operation within the bounds that its caller has set.
 *
 * @throws what the operation throws, as {@link namedBy} has it; that it was given up, when it
 * was so from the start.
 */
export async function withDeadline<T>(
  operation: Operation,
  bounds: Bounds,
  run: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  return await traced(operation, async () => {
    const deadline = new Deadline(operation, bounds);
    const end = deadline.start();
    try {
      deadline.check('start');
      return await deadline.settled(run(deadline));
    } catch (error) {
      throw namedBy(operation, error, deadline.stage);
    } finally {
      end();
    }
  });
}
