import { checkOpening, type OpenCheckpointOptions } from '../archive/options.js';
import { withDeadline } from '../base/deadline.js';
import { withScope } from '../base/scope.js';
import type { CheckpointDiff } from './diff-report.js';
import { checkPath } from './inspect.js';

/**
 * Tells what has changed from one checkpoint to another: processes that came and went, and in those that stayed
 * descriptors, threads and memory. Pages are compared by what they hold, also those that an earlier pre-dump
 * has; of each page 8 bytes are kept meanwhile.
 *
 * @param before - The first checkpoint, as {@link inspect} takes it.
 * @param after - The second one.
 * @throws TypeError, RangeError for a bad argument or option.
 * @throws CriuError as {@link inspect}.
 *
 * @example
 * ```ts
 * const { processes, memory } = await diffCheckpoints('/var/lib/ckpt/1', '/var/lib/ckpt/2');
 * console.log(processes.came.length, 'came,', memory.pages.changed, 'pages changed');
 * ```
 */
export async function diffCheckpoints(
  before: string,
  after: string,
  options: OpenCheckpointOptions = {},
): Promise<CheckpointDiff> {
  const { signal, timeoutMs, ...limits } = checkOpening(options);
  const paths = [checkPath('before', before), checkPath('after', after)] as const;
  return await withDeadline('diffCheckpoints', { signal, timeoutMs }, (deadline) =>
    withScope(async (scope) => {
      const { openChain } = await import('./chain.js');
      const { diffOf } = await import('./diff-of.js');
      const check = (): void => deadline.check('archive');
      const first = await openChain(paths[0], limits, check, scope);
      return await diffOf(first, await openChain(paths[1], limits, check, scope));
    }),
  );
}
