/** Gives back something that was taken, or closes something that was opened. */
export type Release = () => unknown;

/**
 * What an operation has opened and taken. Closing the scope releases all of it, in reverse order:
 * what was taken last may depend on what was taken before it.
 */
export class Scope {
  readonly #releases: Release[] = [];

  /** Has `release` called when the scope is closed. It may be async. */
  defer(release: Release): void {
    this.#releases.push(release);
  }

  /**
   * Has something closed with the scope.
   *
   * @returns what was passed.
   */
  use<T extends { close(): unknown }>(resource: T): T {
    this.defer(() => resource.close());
    return resource;
  }

  /**
   * Releases what the scope has. A scope that is closed again has nothing left to release.
   *
   * @throws the first error of a release, after all the others were called.
   */
  async close(): Promise<void> {
    await callAll(this.#releases.splice(0).reverse());
  }
}

/**
 * Runs an operation with a scope that is closed when the operation ends.
 *
 * @param scope - One that has something already.
 * @throws what the operation throws, or else the first error of a release.
 */
export async function withScope<T>(
  run: (scope: Scope) => Promise<T>,
  scope: Scope = new Scope(),
): Promise<T> {
  const result = await closedOnFailure(run, scope);
  await scope.close();
  return result;
}

/**
 * Starts something that outlives the call: the scope is closed only when the start fails. After a
 * success, whatever was started closes it.
 *
 * @throws what the start throws.
 */
export async function startScope<T>(start: (scope: Scope) => Promise<T>): Promise<T> {
  return closedOnFailure(start, new Scope());
}

async function closedOnFailure<T>(run: (scope: Scope) => Promise<T>, scope: Scope): Promise<T> {
  try {
    return await run(scope);
  } catch (error) {
    // The first failure is the cause, also of a release that fails because of it.
    await scope.close().catch(() => {});
    throw error;
  }
}

/**
 * Calls functions one after the other, the next one also when one fails.
 *
 * @throws the first error, at the end.
 */
export async function callAll(calls: Iterable<() => unknown>): Promise<void> {
  const errors: unknown[] = [];
  for (const call of calls) {
    try {
      await call();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
