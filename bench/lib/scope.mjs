// @ts-check

/**
 * What has to be undone at the end, newest first, whatever happened in between.
 *
 * @typedef {() => unknown} Undo
 */
export class Scope {
  /** @type {Undo[]} */
  #undos = [];

  /** @param {Undo} undo */
  defer(undo) {
    this.#undos.push(undo);
  }

  /** Undoes everything, and tells on stderr what could not be undone. */
  async close() {
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        process.stderr.write(`bench: clearing up: ${/** @type {Error} */ (error).message}\n`);
      }
    }
  }
}

/**
 * Runs work in a scope of its own.
 *
 * @template T
 * @param {(scope: Scope) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withScope(work) {
  const scope = new Scope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}
