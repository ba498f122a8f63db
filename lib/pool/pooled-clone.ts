import { setTimeout as sleep } from 'node:timers/promises';
import { abortError, CriuError } from '../base/errors.js';
import { option, sentence } from '../base/sentence.js';
import { kinds } from '../channel/frames.js';
import type { SocketChannel } from '../channel/socket-channel.js';
import { kill } from '../linux/kill.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import { restore } from '../process/restore.js';
import type { ChildExit, CloneResult } from '../process/restore-result.js';
import type { AnswerMessage, TaskFailure } from '../self/tasks.js';
import type { PoolSettings } from './options.js';
import type { PoolMetrics, RunOptions } from './pool.js';

/** For how long a clone is waited for that has got SIGKILL, or whose channel has ended. */
const settlesMs = 5_000;

/** For how long a clone is waited for that seems to be ending by itself. */
const exitingMs = 500;

/** Why the pool has ended a clone. */
export type EndReason = keyof PoolMetrics['ends'];

/** Somebody who waits for the answer of a task. */
interface Asked {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** One clone of a pool. */
export class PooledClone {
  readonly number: number;
  readonly pid: number;
  readonly channel: SocketChannel;
  readonly exited: Promise<ChildExit>;
  /** When it was restored, and when somebody had it last: `performance.now()`. */
  readonly bornAt: number = performance.now();
  idleSince: number = this.bornAt;
  checkedAt: number = this.bornAt;
  uses = 0;
  /** Resolves when nothing can be asked of it any more: it is ending, or has ended. */
  readonly lost: Promise<void>;
  endedFor: EndReason | undefined;
  readonly #settings: PoolSettings;
  /** The first process of its pid namespace, which is our child: its pid is its own until it is reaped. */
  readonly #init: { pid: number; startTime: number } | undefined;
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;
  #ending: Promise<void> | undefined;
  #hasExited = false;

  private constructor(
    number: number,
    settings: PoolSettings,
    { pid, channel, exited }: CloneResult,
  ) {
    this.number = number;
    this.pid = pid;
    this.channel = channel as SocketChannel;
    this.#settings = settings;
    this.exited = exited;
    this.#init = initOf(pid);
    void exited.then(() => {
      this.#hasExited = true;
    });
    this.lost = new Promise((resolve) => {
      // All that it has sent has come by then.
      this.channel.once('disconnect', () => {
        resolve();
        void this.#rejectAsked();
      });
    });
    this.channel.keepMessages(false);
    this.channel.serve((kind, value) => {
      if (kind === kinds.answer) this.#answered(value as AnswerMessage);
    });
  }

  /**
   * Restores a clone, and waits for a sign of it.
   *
   * @throws as {@link restore}, and `ERR_CLONE_ENDED` when there was no sign.
   */
  static async restore(
    number: number,
    settings: PoolSettings,
    signal: AbortSignal,
  ): Promise<PooledClone> {
    const result = await restore(settings.imagePath, {
      endsWithParent: true,
      // The process that has saved itself may have ended before its images are free.
      wait: true,
      ...settings.restoreOptions(number),
      pidNamespace: 'new',
      channel: true,
      signal,
    });
    const clone = new PooledClone(number, settings, result);
    if (await clone.isHealthy()) return clone;
    await clone.end('unhealthy', 0);
    throw endedError(clone, 'has not answered after its restore');
  }

  /** Whether its event loop answers in time. */
  async isHealthy(): Promise<boolean> {
    this.checkedAt = performance.now();
    const timer = new AbortController();
    const answer = await Promise.race([
      this.channel.ping().then(() => true),
      this.lost.then(() => false),
      sleep(this.#settings.healthTimeoutMs, false, { signal: timer.signal }),
    ]);
    timer.abort();
    return answer;
  }

  /**
   * Sends a task, and waits for the answer.
   *
   * @throws as `run()` of a pool does.
   */
  ask(
    task: unknown,
    { signal, timeoutMs = this.#settings.taskTimeoutMs }: RunOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortError(signal.reason, 'request'));
      const id = ++this.#lastId;
      const settled = (): void => {
        this.#asked.delete(id);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const giveUp = (error: unknown): void => {
        settled();
        reject(error);
        // It may be at the task still, and is of no use to the next one.
        void this.end('asked', 0);
      };
      const abort = (): void => giveUp(abortError(signal?.reason, 'request'));
      const timer = setTimeout(() => giveUp(taskTimeout(this, timeoutMs)), timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      this.#asked.set(id, {
        resolve(value) {
          settled();
          resolve(value);
        },
        reject(error) {
          settled();
          reject(error);
        },
      });
      try {
        this.channel.tell(kinds.task, { id, task });
      } catch (error) {
        this.#asked.get(id)?.reject(error);
      }
      if (!this.channel.connected) void this.#rejectAsked();
    });
  }

  /** Ends it: SIGTERM, and SIGKILL when it has not ended after a while. The first call decides. */
  end(why: EndReason, graceMs: number = this.#settings.graceMs): Promise<void> {
    this.endedFor ??= why;
    this.#ending ??= this.#end(graceMs);
    return this.#ending;
  }

  async #end(graceMs: number): Promise<void> {
    // Its sockets are closed before it is told how it has ended, which SIGKILL would change.
    if (!this.channel.connected && (await this.#exitsWithin(exitingMs))) return;
    if (graceMs > 0) {
      this.#signal('SIGTERM');
      if (await this.#exitsWithin(graceMs)) return this.channel.destroy();
    }
    this.#signal('SIGKILL');
    await this.#exitsWithin(settlesMs);
    this.channel.destroy();
  }

  async #exitsWithin(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const timeout = sleep(ms, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([this.exited, timeout]);
    timer.abort();
    return this.#hasExited;
  }

  #signal(name: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#init === undefined || this.#hasExited) return;
    const { pid, startTime } = this.#init;
    try {
      if (name === 'SIGKILL') kill(pid, { startTime });
      else if (tryReadProcessStat(pid)?.startTime === startTime) process.kill(pid, name);
    } catch {
      // It has ended meanwhile, or there is no descriptor left to look with. It is our child, which we have
      // not heard of as reaped.
      if (name === 'SIGKILL') tryKill(pid);
    }
  }

  #answered({ id, value, error }: AnswerMessage): void {
    const asked = this.#asked.get(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(errorOf(error));
  }

  async #rejectAsked(): Promise<void> {
    const waiting = [...this.#asked.values()];
    if (waiting.length === 0) return;
    const how = (await this.#exitsWithin(settlesMs))
      ? howEnded(await this.exited)
      : 'has disconnected';
    for (const asked of waiting) asked.reject(endedError(this, `${how} before it had answered`));
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function initOf(pid: number): { pid: number; startTime: number } | undefined {
  const parent = tryReadProcessStat(pid)?.parent;
  const stat = parent === undefined ? undefined : tryReadProcessStat(parent);
  // It is gone when somebody else has its parent's place.
  if (parent === undefined || stat === undefined || stat.parent !== process.pid) return undefined;
  return { pid: parent, startTime: stat.startTime };
}

function howEnded({ code, signal }: ChildExit): string {
  return signal === null ? `has ended with the status ${code}` : `has been ended by ${signal}`;
}

/** The error of those who had a clone. */
export function endedError(
  { number, pid }: Pick<PooledClone, 'number' | 'pid'>,
  how: string,
): CriuError {
  return new CriuError('ERR_CLONE_ENDED', `The clone ${number} (process ${pid}) ${how}`, {
    operation: 'run',
  });
}

function taskTimeout({ number, pid }: PooledClone, timeoutMs: number): CriuError {
  return new CriuError(
    'ERR_TASK_TIMEOUT',
    sentence`The clone ${number} (process ${pid}) has not answered within ${timeoutMs} ms, and was ended;
      ${option('taskTimeoutMs')} sets that time`,
    { operation: 'run' },
  );
}

/** What a handler threw, as far as it can be told. */
function errorOf({ name, message, code, stack }: TaskFailure): Error {
  const error = new Error(message);
  const rest = { name, stack, ...(code === undefined ? {} : { code }) };
  for (const [key, value] of Object.entries(rest)) {
    Object.defineProperty(error, key, { value, writable: true, configurable: true });
  }
  return error;
}
