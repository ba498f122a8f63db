import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Cleanup = () => unknown;

/** What one test made, undone in reverse order when the test is over, passed or failed. */
export class Scope {
  readonly #cleanups: Cleanup[] = [];

  defer(cleanup: Cleanup): void {
    this.#cleanups.push(cleanup);
  }

  /** A new directory, removed with all that is in it. */
  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'libcriu-test-'));
    this.defer(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
    return path;
  }

  /** Every cleanup is run, even after one of them failed. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const cleanup of this.#cleanups.splice(0).reverse()) {
      try {
        await cleanup();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'cleaning up after a test');
  }
}
