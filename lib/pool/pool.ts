import type { EventEmitter } from 'node:events';
import type { Channel, ChannelEvents } from '../channel/channel.js';
import type { ChildExit } from '../process/restore-result.js';

/** Bounds of one `acquire()` or `run()`. */
export interface AcquireOptions {
  /** Gives the waiting up. */
  signal?: AbortSignal | undefined;
  /** For how long to wait for a clone, in milliseconds; that of the pool otherwise. */
  timeoutMs?: number | undefined;
}

/** Bounds of one `run()`. */
export interface RunOptions {
  /** Gives the task up. The clone is ended if it has it already. */
  signal?: AbortSignal | undefined;
  /** For how long to wait for the answer, in milliseconds; that of the pool otherwise. */
  timeoutMs?: number | undefined;
}

/** A clone that somebody has for themselves, until they release it. */
export interface AcquiredClone {
  /** Which clone of the pool it is. They are counted from 1. */
  readonly number: number;
  /** Its pid, as this process sees it. */
  readonly pid: number;
  /** Messages to and from it. Listeners are removed by `release()`. */
  readonly channel: Channel;
  /** How it ends. */
  readonly exited: Promise<ChildExit>;
  /** As `channel.send()`. */
  send(message: unknown): boolean;
  /** As `channel.on()`. */
  on: EventEmitter<ChannelEvents>['on'];
  /** Has it answer a task, as `run()` of the pool does. */
  run(task: unknown, options?: RunOptions): Promise<unknown>;
  /** Gives it back to the pool. */
  release(): void;
  /** Ends it in place of giving it back. Resolves when it has ended. */
  end(): Promise<void>;
  /** As `release()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The middle, and what all but one of a hundred stay below, of the last 1000, in milliseconds. */
export interface Times {
  p50Ms: number;
  p99Ms: number;
}

/** What a pool has done, and has. */
export interface PoolMetrics {
  /** How many clones there are, those that are just being restored or ended not counted. */
  alive: number;
  /** Of these, how many are ready. */
  idle: number;
  /** Of these, how many somebody has. */
  busy: number;
  /** How many are being restored. */
  starting: number;
  /** How many are being ended. */
  ending: number;
  /** How many calls wait for a clone. */
  waiting: number;
  /** How many restores have succeeded, and how many have failed. */
  restores: Times & { succeeded: number; failed: number };
  /** How many clones were acquired, by `run()` too, and for how long that was waited for. */
  acquires: Times & { succeeded: number; failed: number };
  /**
   * How many tasks were answered, rejected by their handler, lost with their clone, and given up. The times
   * are those from the sending of a task to its answer.
   */
  tasks: Times & { answered: number; rejected: number; lost: number; givenUp: number };
  /** How many clones have ended by themselves, and how many the pool has ended, by its reason. */
  ends: { died: number; worn: number; idle: number; unhealthy: number; asked: number };
}

/** Clones of a snapshot that are kept ready. */
export interface Pool {
  /**
   * Takes a clone that nobody else has.
   *
   * @throws CriuError `ERR_POOL_TIMEOUT` when there was none in time, `ERR_POOL_CLOSED`, and the error of the
   * restore when the snapshot cannot be restored. AbortError.
   */
  acquire(options?: AcquireOptions): Promise<AcquiredClone>;
  /**
   * Has a clone answer a task by the handler that its program has registered by {@link onTask}. A task is
   * sent to one clone, and to no other when that ends.
   *
   * @param task - Anything that `v8.serialize()` takes.
   * @returns what the handler has returned.
   * @throws what the handler has thrown: an Error of the same `name`, `message` and `code`.
   * @throws CriuError as {@link acquire}, `ERR_CLONE_ENDED` when the clone has ended before it has answered,
   * `ERR_TASK_TIMEOUT`. AbortError.
   */
  run(task: unknown, options?: RunOptions): Promise<unknown>;
  /** What it has done, and has. */
  metrics(): PoolMetrics;
  /** Waits for the clones that somebody has, for `drainMs` at most, and ends all. It is the same at each call. */
  close(): Promise<void>;
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
