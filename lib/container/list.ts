import { inOperation } from '../base/errors.js';
import { late } from '../base/late.js';
import { requireRoot } from '../criu/require-root.js';
import { realHost } from '../linux/host.js';
import type { ContainerList } from './listed.js';

const listing = late(() => import('./list-on.js'));
const operation = 'listContainers';

/**
 * Lists the containers of all engines and runtimes on this machine, as far as a runtime has a state of
 * them: those that are created, running, paused, or stopped and not yet deleted. Their files are read,
 * and no daemon is asked.
 *
 * @throws CriuError `ERR_CRIU_PERMISSION` for a user who is not root.
 */
export async function listContainers(): Promise<ContainerList> {
  return await inOperation(operation, async () => {
    requireRoot(operation);
    const { listOn } = await listing();
    return await listOn(realHost);
  });
}
