import { inOperation } from '../base/errors.js';
import { late } from '../base/late.js';
import type { PageServerOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { PageServerHandle } from './page-server-handle.js';

const serving = late(() => import('./run-page-server.js'));

/**
 * Receives the memory of one dump whose `pageServer` is ours, on another host as a rule, into a
 * fresh images directory; the dump's other images are copied there by other means.
 *
 * It listens on the given address alone. The first connection that sends something is the sender,
 * and the port is closed then; connections that do not are ignored.
 *
 * @throws TypeError, RangeError for a bad option, before anything is touched.
 * @throws CriuError `ERR_CRIU_ADDRESS` when the address cannot be listened on.
 * @example
 * ```ts
 * const server = await startPageServer({ imagePath: '/srv/web', address: '10.0.0.2' });
 * console.log(server.port); // for the sender: dump(pid, { pageServer: `10.0.0.2:${server.port}` })
 * console.log((await server.finished).bytes);
 * ```
 */
export async function startPageServer(options: PageServerOptions): Promise<PageServerHandle> {
  return await inOperation('startPageServer', async () => {
    const checked = validateOptions('startPageServer', options);
    const { servePages } = await serving();
    return await servePages(checked);
  });
}
