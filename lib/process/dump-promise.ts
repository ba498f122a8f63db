/** A dump under way. */
export interface DumpPromise<T> extends Promise<T> {
  /**
   * Resolves when the lazy pages can be fetched; of a dump without `lazyPages`, with the dump itself.
   * Rejects with the dump's error when it does not come to that. Nobody has to listen to it.
   */
  readonly statusReady: Promise<void>;
}

/**
 * Runs a dump, which is given what tells that its lazy pages can be fetched.
 */
export function withStatus<T>(run: (statusReady: () => void) => Promise<T>): DumpPromise<T> {
  let ready = (): void => {};
  const told = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const result = run(() => ready());
  const statusReady = Promise.race([told, result.then(() => {})]);
  statusReady.catch(() => {});
  return Object.assign(result, { statusReady });
}
