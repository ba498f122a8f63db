import { inOperation } from './base/errors.js';
import type { Finding } from './base/finding.js';
import { late } from './base/late.js';
import type { CheckpointOptions, DumpOptions } from './options/types.js';
import { checkTarget, type UnitTarget } from './options/unit-target.js';
import { validateOptions } from './options/validate.js';

const inspecting = late(() => import('./process/explain.js'));
const inspectingContainers = late(() => import('./container/explain.js'));

/**
 * Tells what would make CRIU fail to dump a process and its children, or needs an option that is
 * not given. Nothing is frozen, traced or changed: the processes are looked at through `/proc`,
 * and run on meanwhile, so that what they do next may change what is true.
 *
 * @param target - The root of the tree, or the service of systemd whose main process is.
 * @param options - Those that `dump` would get; what they cure is left out.
 * @returns The findings, the worst first; none when nothing stands in the way.
 * @throws TypeError, RangeError for a bad pid or option.
 * @throws CriuError `ERR_PROCESS_NOT_FOUND` when there is no such process.
 *
 * @example
 * ```ts
 * for (const { severity, message } of await explain(4711)) console.log(severity, message);
 * ```
 */
export async function explain(
  target: number | UnitTarget,
  options?: DumpOptions,
): Promise<Finding[]>;
/**
 * The same of a container of runc or crun, with what its runtime adds to the request.
 *
 * @param id - The container's id, or the name that its engine has for it.
 * @param options - Those that `checkpoint` would get.
 * @throws CriuError `ERR_CONTAINER_NOT_FOUND`, `ERR_CONTAINER_STATE`, `ERR_CONTAINER_CORRUPT` for
 * what is wrong with the container.
 */
export async function explain(id: string, options?: CheckpointOptions): Promise<Finding[]>;
export async function explain(
  target: number | string | UnitTarget,
  options: DumpOptions | CheckpointOptions = {},
): Promise<Finding[]> {
  return await inOperation('explain', async () => {
    if (typeof target === 'string') {
      const checked = validateOptions('checkpoint', options);
      const { explainContainer } = await inspectingContainers();
      return await explainContainer(target, checked);
    }
    const expected = 'the id of a process as a number or of a container as a string';
    const process = checkTarget(target, 'target', expected);
    const checked = validateOptions('dump', options);
    const { explainProcess } = await inspecting();
    return await explainProcess(process, checked);
  });
}
