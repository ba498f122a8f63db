import type { Times } from './pool.js';

/** How many are kept. */
const most = 1000;

/** The last of some times. */
export class Samples {
  readonly #values: number[] = [];
  #count = 0;

  add(value: number): void {
    this.#values[this.#count++ % most] = value;
  }

  /** Zeros where there is none. */
  get times(): Times {
    const sorted = [...this.#values].sort((one, other) => one - other);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}
