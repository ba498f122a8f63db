/** A dump under way. */
export interface DumpPromise<T> extends Promise<T> {
  /**
   * Resolves when the lazy pages can be fetched. For a dump without `lazyPages` it resolves with
   * the dump itself. Rejects with the dump's error when the dump fails before. Nobody has to listen
   * to it.
   */
  readonly statusReady: Promise<void>;
}

/**
 * Runs a dump.
 *
 * @param run - Gets a function to be called when the lazy pages can be fetched.
 */
export function withStatus<T>(run: (statusReady: () => void) => Promise<T>): DumpPromise<T> {
  let ready = (): void => {};
  let fail = (_error: unknown): void => {};
  const statusReady = new Promise<void>((resolve, reject) => {
    [ready, fail] = [resolve, reject];
  });
  statusReady.catch(() => {});
  const result = runAndTell();
  return Object.defineProperty(result, 'statusReady', {
    get: () => {
      // Whoever listens to this is told of a failure by it.
      result.catch(() => {});
      return statusReady;
    },
  }) as DumpPromise<T>;

  // Nothing but the caller waits for its promise: only so does the stack of an error lead there.
  async function runAndTell(): Promise<T> {
    try {
      const value = await run(ready);
      ready();
      return value;
    } catch (error) {
      fail(error);
      throw error;
    }
  }
}
