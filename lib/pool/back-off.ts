const firstMs = 100;
const longestMs = 10_000;

/** How long to wait after failures before the next try: each time twice as long. */
export class BackOff {
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Whether the next try has to wait. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** How many failures there were one after the other. */
  get failures(): number {
    return this.#failures;
  }

  /** Has `retry` called when it is time; once for all failures that come until then. */
  fail(retry: () => void): void {
    this.#failures++;
    if (this.#timer !== undefined) return;
    const delay = Math.min(longestMs, firstMs * 2 ** (this.#failures - 1));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      retry();
    }, delay);
  }

  /** What failed works again. */
  succeed(): void {
    this.#failures = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
