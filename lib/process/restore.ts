import { withDeadline } from '../base/deadline.js';
import { late } from '../base/late.js';
import { defaultCriu } from '../criu/criu.js';
import { type LoggedPromise, withLog } from '../criu/log-promise.js';
import { requireRoot } from '../criu/require-root.js';
import type { RestoreOptions } from '../options/types.js';
import { checkImagePath, validateOptions } from '../options/validate.js';
import type { CloneResult, RestoreResult } from './restore-result.js';

const running = late(() => import('./run-restore.js'));

/**
 * Brings back the tasks that a {@link dump} has saved, under the pids that they had. They belong to
 * the init process then, or to this one with `restoreSibling`. With `pidNamespace: 'new'` it does not
 * matter whether the pids are in use: any number of clones can be restored from the same images.
 *
 * @param imagePath - The directory of the images.
 * @throws TypeError, RangeError for a bad path or option, before anything is touched.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` without complete images, `ERR_PROCESS_EXISTS` when a pid
 * is in use, others when CRIU fails; nothing of the tasks is left then.
 */
export function restore(
  imagePath: string,
  options: RestoreOptions & { pidNamespace: 'new' },
): LoggedPromise<CloneResult>;
export function restore(imagePath: string, options?: RestoreOptions): LoggedPromise<RestoreResult>;
export function restore(
  imagePath: string,
  options: RestoreOptions = {},
): LoggedPromise<RestoreResult> {
  return withLog(async (log) => {
    const { criu = defaultCriu(), ...checked } = validateOptions('restore', options);
    const checkedPath = checkImagePath(imagePath);
    return await withDeadline('restore', checked, async (deadline) => {
      requireRoot('restore');
      const { restoreTree } = await running();
      return await restoreTree({
        operation: 'restore',
        criu,
        imagePath: checkedPath,
        options: checked,
        deadline,
        log,
      });
    });
  });
}
