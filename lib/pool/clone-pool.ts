import { setTimeout as sleep } from 'node:timers/promises';
import { abortError, CriuError, errnoOf, inOperation } from '../base/errors.js';
import { BackOff } from './back-off.js';
import { Lease } from './lease.js';
import { Meter } from './meter.js';
import type { PoolSettings } from './options.js';
import type { AcquireOptions, Pool, PoolMetrics, RunOptions } from './pool.js';
import { endedError, PooledClone } from './pooled-clone.js';
import { Waiting } from './waiting.js';

/** A clone that has ended before this, unused, counts as one that could not be restored. */
const youngMs = 5_000;
/** After so many failures one after the other nobody waits any longer. */
const mostFailures = 3;
/** The longest time between two looks at those that are ready. */
const lookMs = 1_000;

/** A pool, from its first restore to the end of its last clone. */
export class ClonePool implements Pool {
  readonly #settings: PoolSettings;
  /** All that have not ended yet. */
  readonly #clones = new Set<PooledClone>();
  /** Those that are ready. The last one that somebody had is taken first, so that the others can end. */
  #idle: PooledClone[] = [];
  readonly #busy = new Set<PooledClone>();
  readonly #starting = new Set<Promise<void>>();
  readonly #waiting = new Waiting<PooledClone>();
  readonly #backOff = new BackOff();
  readonly #meter = new Meter();
  readonly #stop = new AbortController();
  readonly #look: NodeJS.Timeout;
  #lastNumber = 0;
  #closing: Promise<void> | undefined;
  /** Called when a clone is given back, or none can be restored. */
  #changed = (_error?: unknown): void => {};

  private constructor(settings: PoolSettings) {
    this.#settings = settings;
    const { idleMs, healthCheckMs } = settings;
    // Timers of 0 ms would run all the time.
    const often = Math.max(10, Math.min(idleMs / 2, healthCheckMs / 2, lookMs));
    this.#look = setInterval(() => this.#lookAfter(), often).unref();
  }

  /**
   * Starts a pool, and waits until it is warm.
   *
   * @throws what stands in the way, when nothing is left of it.
   */
  static async start(settings: PoolSettings): Promise<ClonePool> {
    const { signal } = settings;
    if (signal?.aborted) throw abortError(signal.reason);
    const pool = new ClonePool(settings);
    const abort = (): void => void pool.#closeAll(0, abortError(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    pool.#stop.signal.addEventListener('abort', () => signal?.removeEventListener('abort', abort));
    try {
      await pool.#warm();
    } catch (error) {
      await pool.#closeAll(0, closedError());
      throw error;
    }
    return pool;
  }

  async #warm(): Promise<void> {
    const { size } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#changed = (error) => {
        if (error !== undefined) reject(error);
        else if (this.#idle.length >= size) resolve();
      };
      this.#changed();
      this.#fill();
    });
    this.#changed = () => {};
  }

  async acquire(options: AcquireOptions = {}): Promise<Lease> {
    return new Lease(await inOperation('acquire', () => this.#take(options)), {
      run: (clone, task, bounds) => this.#ask(clone, task, bounds),
      release: (clone) => this.#release(clone),
    });
  }

  async run(task: unknown, options: RunOptions = {}): Promise<unknown> {
    const { signal } = options;
    const lease = await this.acquire({ signal });
    try {
      return await lease.run(task, options);
    } finally {
      lease.release();
    }
  }

  metrics(): PoolMetrics {
    const ending = [...this.#clones].filter((clone) => clone.endedFor !== undefined).length;
    return {
      alive: this.#idle.length + this.#busy.size,
      idle: this.#idle.length,
      busy: this.#busy.size,
      starting: this.#starting.size,
      ending,
      waiting: this.#waiting.length,
      ...this.#meter.read(),
    };
  }

  close(): Promise<void> {
    return this.#closeAll(this.#settings.drainMs, closedError());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #take({ signal, timeoutMs = this.#settings.acquireTimeoutMs }: AcquireOptions) {
    if (this.#closing !== undefined) throw closedError();
    if (signal?.aborted) throw abortError(signal.reason, 'queued');
    const since = performance.now();
    try {
      let clone = this.#idle.pop();
      if (clone === undefined) {
        const waiting = this.#waiting.wait(timeoutMs, { signal });
        this.#fill();
        clone = await waiting;
      } else {
        this.#busy.add(clone);
      }
      clone.uses++;
      this.#meter.acquired(performance.now() - since);
      this.#fill();
      return clone;
    } catch (error) {
      this.#meter.notAcquired();
      throw error;
    }
  }

  async #ask(clone: PooledClone, task: unknown, options: RunOptions): Promise<unknown> {
    const since = performance.now();
    try {
      const answer = await clone.ask(task, options);
      this.#meter.answered(performance.now() - since);
      return answer;
    } catch (error) {
      const code = errnoOf(error);
      const isOurs = error instanceof CriuError;
      if (isOurs && code === 'ERR_CLONE_ENDED') this.#meter.lost();
      else if ((isOurs && code === 'ERR_TASK_TIMEOUT') || options.signal?.aborted) {
        this.#meter.gaveUp();
      } else this.#meter.rejected(performance.now() - since);
      throw error;
    }
  }

  #release(clone: PooledClone): void {
    this.#busy.delete(clone);
    if (this.#clones.has(clone) && clone.endedFor === undefined && clone.channel.connected) {
      this.#backOff.succeed();
      if (this.#closing === undefined && clone.uses >= this.#settings.maxUses)
        void clone.end('worn');
      else this.#offer(clone);
    }
    this.#changed();
    this.#fill();
  }

  /** Gives a clone to the first who waits, or keeps it ready. */
  #offer(clone: PooledClone): void {
    clone.idleSince = performance.now();
    // Who has waited comes to it later, and somebody could take it before.
    this.#busy.add(clone);
    if (this.#waiting.give(clone)) return;
    this.#busy.delete(clone);
    this.#idle.push(clone);
    this.#changed();
  }

  /** Restores as many as are wanted. */
  #fill(): void {
    const { size, max, concurrency } = this.#settings;
    const isWanted = (): boolean =>
      this.#idle.length + this.#starting.size < size + this.#waiting.length;
    while (
      this.#closing === undefined &&
      !this.#backOff.isWaiting &&
      this.#starting.size < concurrency &&
      this.#clones.size + this.#starting.size < max &&
      isWanted()
    ) {
      const starting: Promise<void> = this.#start().finally(() => {
        this.#starting.delete(starting);
        this.#fill();
      });
      this.#starting.add(starting);
    }
  }

  /** Restores one. It rejects never. */
  async #start(): Promise<void> {
    const since = performance.now();
    let clone: PooledClone;
    try {
      clone = await PooledClone.restore(++this.#lastNumber, this.#settings, this.#stop.signal);
    } catch (error) {
      if (this.#closing !== undefined) return;
      this.#meter.notRestored();
      this.#failed(error, this.#clones.size === 0 && this.#starting.size <= 1);
      return;
    }
    this.#meter.restored(performance.now() - since);
    if (this.#closing !== undefined) return await clone.end('asked', 0);
    this.#clones.add(clone);
    void clone.lost.then(() => this.#lost(clone));
    this.#offer(clone);
  }

  /**
   * Waits before the next try. Those who wait for a clone hear of it when there is none that they could have.
   *
   * @param isAlone - Whether no other clone is there or on its way.
   */
  #failed(error: unknown, isAlone: boolean): void {
    this.#backOff.fail(() => this.#fill());
    const isHopeless = this.#backOff.failures >= mostFailures;
    if (!isAlone && !isHopeless) return;
    this.#waiting.rejectAll(error);
    this.#changed(error);
  }

  /** A clone is ending or has ended, for whatever reason. Its place is free when it has ended. */
  async #lost(clone: PooledClone): Promise<void> {
    this.#idle = this.#idle.filter((one) => one !== clone);
    const isYoung = clone.uses === 0 && performance.now() - clone.bornAt < youngMs;
    const hasDied = clone.endedFor === undefined;
    await clone.end('died');
    this.#clones.delete(clone);
    this.#meter.ended(clone.endedFor ?? 'died');
    if (hasDied && isYoung && this.#closing === undefined) {
      this.#failed(endedError(clone, 'has ended right after its restore'), false);
    }
    this.#changed();
    this.#fill();
  }

  /** Ends what nobody needs, and what does not answer. */
  #lookAfter(): void {
    const { size, idleMs, healthCheckMs } = this.#settings;
    const now = performance.now();
    while (this.#idle.length > size && now - (this.#idle[0]?.idleSince ?? now) >= idleMs) {
      void this.#idle.shift()?.end('idle');
    }
    for (const clone of this.#idle) {
      if (now - clone.bornAt > youngMs) this.#backOff.succeed();
      if (now - clone.checkedAt >= healthCheckMs) void this.#check(clone);
    }
  }

  async #check(clone: PooledClone): Promise<void> {
    if (await clone.isHealthy()) return;
    // Who has taken it meanwhile has a time limit of their own.
    if (!this.#idle.includes(clone)) return;
    this.#idle = this.#idle.filter((one) => one !== clone);
    await clone.end('unhealthy', 0);
  }

  #closeAll(drainMs: number, error: CriuError | Error): Promise<void> {
    this.#closing ??= this.#end(drainMs, error);
    return this.#closing;
  }

  async #end(drainMs: number, error: unknown): Promise<void> {
    // What follows must see that it is closed.
    await Promise.resolve();
    clearInterval(this.#look);
    this.#backOff.stop();
    this.#waiting.rejectAll(error);
    this.#changed(error);
    this.#stop.abort();
    await this.#drained(drainMs);
    const clones = [...this.#clones];
    this.#idle = [];
    await Promise.all([...clones.map((clone) => clone.end('asked')), ...this.#starting]);
  }

  /** Waits until all clones have been given back. */
  async #drained(drainMs: number): Promise<void> {
    if (this.#busy.size === 0 || drainMs === 0) return;
    const timer = new AbortController();
    const given = new Promise<void>((resolve) => {
      this.#changed = () => {
        if (this.#busy.size === 0) resolve();
      };
    });
    await Promise.race([
      given,
      sleep(drainMs, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
  }
}

function closedError(): CriuError {
  return new CriuError('ERR_POOL_CLOSED', 'The pool is closed', { operation: 'acquire' });
}
