import { inOperation } from '../base/errors.js';
import { late } from '../base/late.js';
import { requireRoot } from '../criu/require-root.js';
import { checkPoolOptions, type PoolOptions } from './options.js';
import type { Pool } from './pool.js';

const pools = late(() => import('./clone-pool.js'));

/**
 * Restores clones of a program that has saved itself by {@link checkpointSelf}, and keeps them ready: each is
 * as warm as the program was, and nobody else has it.
 *
 * @example
 * ```ts
 * await using pool = await createPool('/var/lib/warm', { size: 4, max: 8, maxUses: 1 });
 * const page = await pool.run({ path: '/index.html' });
 * ```
 * @param snapshot - The directory of the images.
 * @returns the pool, once `size` clones are ready. It keeps this process alive until it is closed.
 * @throws TypeError, RangeError for a bad path or option, before anything is touched.
 * @throws CriuError as {@link restore} does, and `ERR_CLONE_ENDED` when the clones end at once. Nothing is
 * left then.
 */
export async function createPool(snapshot: string, options: PoolOptions = {}): Promise<Pool> {
  const settings = checkPoolOptions(snapshot, options);
  return await inOperation('createPool', async () => {
    requireRoot('createPool');
    const { ClonePool } = await pools();
    return await ClonePool.start(settings);
  });
}
