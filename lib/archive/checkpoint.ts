import { withDeadline } from '../base/deadline.js';
import { late } from '../base/late.js';
import type { CheckpointResult } from '../container/checkpoint.js';
import { parseReference } from '../container/reference.js';
import { validateId } from '../container/state/id.js';
import { requireRoot } from '../criu/require-root.js';
import type { CheckpointOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import { type DumpPromise, withStatus } from '../process/dump-promise.js';

const saving = late(() => import('../container/checkpoint.js'));
const archiving = late(() => import('./archiving.js'));

/**
 * Checkpoints a running or paused container of runc or crun, as `runc checkpoint` does, also one that an
 * engine has started. The container is gone afterwards, unless `leaveRunning` or `preDump` is set; after a
 * failure it runs on.
 *
 * @param id - The container's id, or the name that its engine has for it, as in `web` or `docker:web`.
 * @throws TypeError, RangeError for a bad id or option, before anything is touched.
 * @throws CriuError `ERR_CONTAINER_NOT_FOUND`, `ERR_CONTAINER_STATE`, `ERR_CONTAINER_CORRUPT`,
 * `ERR_CONTAINER_BUSY` for what is wrong with the container, `ERR_UNTRUSTED_PATH` for state or a hook
 * that another user can have written, `ERR_ARCHIVE_WRITE` for the archive of `export`, others when CRIU
 * fails.
 */
export function checkpoint(
  id: string,
  options: CheckpointOptions = {},
): DumpPromise<CheckpointResult> {
  return withStatus(async (statusReady, log) => {
    const checked = validateOptions('checkpoint', options);
    if (checked.stateRoot === undefined) parseReference(id, checked.engine);
    else validateId(id);
    requireRoot('checkpoint');
    const hasImages = options.imagePath !== undefined || options.inEngine !== undefined;
    return await withDeadline('checkpoint', checked, async (deadline) => {
      const { saveContainer } = await saving();
      const asked = { id, options: checked, deadline, statusReady, log };
      return await saveContainer(asked, async (container, settings, scope) => {
        if (settings.export === undefined) return undefined;
        // Most checkpoints have no archive, and need none of this.
        const { Archiving } = await archiving();
        return await Archiving.prepare({ container, settings, hasImages, deadline, scope });
      });
    });
  });
}
