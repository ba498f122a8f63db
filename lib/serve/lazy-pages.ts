import { inOperation } from '../base/errors.js';
import { late } from '../base/late.js';
import type { LazyPagesOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { LazyPagesHandle } from './lazy-pages-handle.js';

const serving = late(() => import('./run-lazy-pages.js'));

/**
 * Starts `criu lazy-pages`, which fetches the memory of a lazy dump from where that serves it, and
 * gives it to the tasks that `restore({ lazyPages: true })` restores from the same images: first
 * what they touch, then the rest. Resolves when a restore can begin.
 *
 * An abort ends it like `close`.
 *
 * @throws TypeError, RangeError for a bad option, before anything is touched.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when there are no images, others when CRIU fails.
 * @example
 * ```ts
 * const lazy = await startLazyPages({ imagePath: '/srv/web', address: '10.0.0.1', port: 27 });
 * await restore({ imagePath: '/srv/web', lazyPages: true });
 * console.log((await lazy.progress()).left, 'pages to come');
 * await lazy.finished;
 * ```
 */
export async function startLazyPages(options: LazyPagesOptions): Promise<LazyPagesHandle> {
  return await inOperation('startLazyPages', async () => {
    const checked = validateOptions('startLazyPages', options);
    const { serveLazyPages } = await serving();
    return await serveLazyPages(checked);
  });
}
