import { withDeadline } from '../base/deadline.js';
import { late } from '../base/late.js';
import type { RestoreContainerResult } from '../container/restore.js';
import { validateId } from '../container/state/id.js';
import { type LoggedPromise, withLog } from '../criu/log-promise.js';
import type { RestoreContainerOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';

const restoring = late(() => import('../container/restore.js'));
const finding = late(() => import('./bundle/sources.js'));

/**
 * Restores a container from the images of a `checkpoint` and its bundle, or from a checkpoint that an engine
 * or `exportCheckpoint` has made (`from`), of which a bundle is made. It is detached and has `/dev/null` as
 * its standard streams where the images do not say otherwise. When it is given up by its signal or its
 * deadline, the container is deleted again as soon as it is restored.
 *
 * @param id - The id that the container is to have.
 * @throws TypeError, RangeError for a bad id or option, before anything is touched.
 * @throws CriuError `ERR_RUNTIME_FAILED` with the runtime's sentence and CRIU's cause,
 * `ERR_RUNTIME_NOT_FOUND`, `ERR_UNTRUSTED_PATH` for a bundle, checkpoint or runtime that another user can
 * have written, `ERR_CRIU_IMAGES_DIR` without complete images, `ERR_CHECKPOINT_ARCHIVE` for a checkpoint
 * that cannot be used.
 */
export function restoreContainer(
  id: string,
  options: RestoreContainerOptions = {},
): LoggedPromise<RestoreContainerResult> {
  return withLog(async (log) => {
    const checked = validateOptions('restoreContainer', options);
    validateId(id);
    return await withDeadline('restoreContainer', checked, async (deadline) => {
      const [{ restoreBy }, { sourcesOf }] = await Promise.all([restoring(), finding()]);
      return await restoreBy(sourcesOf, id, checked, deadline, log);
    });
  });
}
