import { withDeadline } from '../base/deadline.js';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { late } from '../base/late.js';
import type { Checkpoint } from './held.js';
import { checkOpening, type OpenCheckpointOptions } from './options.js';

const opening = late(() => import('./open-source.js'));

/**
 * Opens a checkpoint, whoever has made it: an archive of podman, CRI-O, containerd's CRI or kubelet, or of
 * `exportCheckpoint`, compressed by gzip, zstd or not at all; an image of the Open Container Initiative
 * with such an archive, or with the parts of a checkpoint of `ctr`, as a directory or as an archive; and a
 * directory with the images alone, as that of a checkpoint of docker.
 *
 * It is read once from its first to its last byte. What is not whole, or could not be unpacked without
 * harm, is refused.
 *
 * @param path - The file or directory.
 * @throws TypeError, RangeError for a bad argument or option.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE` for one that cannot be used, `ERR_UNTRUSTED_PATH` for one that
 * another user can have made or changed.
 */
export async function openCheckpoint(
  path: string,
  options: OpenCheckpointOptions = {},
): Promise<Checkpoint> {
  if (typeof path !== 'string') throw invalidArgType('path', 'a path', path);
  if (path === '' || path.includes('\0')) throw invalidArgValue('path', 'a path', path);
  const { signal, timeoutMs, ...limits } = checkOpening(options);
  return await withDeadline('openCheckpoint', { signal, timeoutMs }, async (deadline) => {
    const { holdOpen } = await opening();
    return await holdOpen(path, limits, deadline);
  });
}
