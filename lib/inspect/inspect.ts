import { checkOpening, type OpenCheckpointOptions } from '../archive/options.js';
import { withDeadline } from '../base/deadline.js';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { withScope } from '../base/scope.js';
import type { CheckpointReport } from './report.js';

/**
 * Tells what a checkpoint holds: processes, what they have open, their memory, mounts and namespaces, what it
 * cost to make it, and the earlier pre-dumps that it needs. Memory is not loaded, but for the arguments of
 * the processes.
 *
 * @param path - An archive or a directory of any engine, as {@link openCheckpoint} takes it, or the directory of
 * `dump` or `checkpoint`, with its parents or without.
 * @throws TypeError, RangeError for a bad argument or option.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE` for what is no checkpoint, `ERR_CRIU_IMAGE` for an image in it that
 * is damaged, `ERR_UNTRUSTED_PATH` for one that another user can have made or changed.
 *
 * @example
 * ```ts
 * const { processes, memory } = await inspect('/var/lib/ckpt/web');
 * for (const { pid, commandLine = [] } of processes) console.log(pid, ...commandLine);
 * console.log(memory.saved, 'bytes of memory');
 * ```
 */
export async function inspect(
  path: string,
  options: OpenCheckpointOptions = {},
): Promise<CheckpointReport> {
  const { signal, timeoutMs, ...limits } = checkOpening(options);
  const checked = checkPath('path', path);
  return await withDeadline('inspect', { signal, timeoutMs }, (deadline) =>
    withScope(async (scope) => {
      const { openChain } = await import('./chain.js');
      const { reportOf } = await import('./report-of.js');
      return await reportOf(
        await openChain(checked, limits, () => deadline.check('archive'), scope),
      );
    }),
  );
}

/** @throws TypeError, RangeError */
export function checkPath(name: string, path: unknown): string {
  if (typeof path !== 'string') throw invalidArgType(name, 'a path', path);
  if (path === '' || path.includes('\0')) throw invalidArgValue(name, 'a path', path);
  return path;
}
