import { abortError, CriuError } from '../base/errors.js';
import { option, sentence } from '../base/sentence.js';
import type { AcquireOptions } from './pool.js';

/** Somebody who waits for a clone. */
interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Those who wait, first come, first served. */
export class Waiting<T> {
  readonly #waiters = new Set<Waiter<T>>();

  get length(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for one that is given.
   *
   * @throws CriuError `ERR_POOL_TIMEOUT`, AbortError, and what `rejectAll()` is called with.
   */
  wait(timeoutMs: number, { signal }: AcquireOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const waiter: Waiter<T> = {
        resolve(value) {
          settled();
          resolve(value);
        },
        reject(error) {
          settled();
          reject(error);
        },
      };
      const abort = (): void => waiter.reject(abortError(signal?.reason, 'queued'));
      const timer = setTimeout(() => waiter.reject(timeoutError(timeoutMs)), timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Gives something to the first; false when nobody waits. */
  give(value: T): boolean {
    const [first] = this.#waiters;
    first?.resolve(value);
    return first !== undefined;
  }

  rejectAll(error: unknown): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error);
  }
}

function timeoutError(timeoutMs: number): CriuError {
  return new CriuError(
    'ERR_POOL_TIMEOUT',
    sentence`No clone of the pool was free within ${timeoutMs} ms; ${option('max')} says how many there can be`,
    { operation: 'acquire', stage: 'queued' },
  );
}
