import type { PoolMetrics } from './pool.js';
import type { EndReason } from './pooled-clone.js';
import { Samples } from './samples.js';

/** Counts what a pool has done. */
export class Meter {
  readonly #restores = { succeeded: 0, failed: 0 };
  readonly #acquires = { succeeded: 0, failed: 0 };
  readonly #tasks = { answered: 0, rejected: 0, lost: 0, givenUp: 0 };
  readonly #ends = { died: 0, worn: 0, idle: 0, unhealthy: 0, asked: 0 };
  readonly #restoreTimes = new Samples();
  readonly #waitTimes = new Samples();
  readonly #taskTimes = new Samples();

  restored(ms: number): void {
    this.#restores.succeeded++;
    this.#restoreTimes.add(ms);
  }

  notRestored(): void {
    this.#restores.failed++;
  }

  acquired(ms: number): void {
    this.#acquires.succeeded++;
    this.#waitTimes.add(ms);
  }

  notAcquired(): void {
    this.#acquires.failed++;
  }

  answered(ms: number): void {
    this.#tasks.answered++;
    this.#taskTimes.add(ms);
  }

  rejected(ms: number): void {
    this.#tasks.rejected++;
    this.#taskTimes.add(ms);
  }

  lost(): void {
    this.#tasks.lost++;
  }

  gaveUp(): void {
    this.#tasks.givenUp++;
  }

  ended(why: EndReason): void {
    this.#ends[why]++;
  }

  read(): Pick<PoolMetrics, 'restores' | 'acquires' | 'tasks' | 'ends'> {
    return {
      restores: { ...this.#restores, ...this.#restoreTimes.times },
      acquires: { ...this.#acquires, ...this.#waitTimes.times },
      tasks: { ...this.#tasks, ...this.#taskTimes.times },
      ends: { ...this.#ends },
    };
  }
}
