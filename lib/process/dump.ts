import { withDeadline } from '../base/deadline.js';
import { late } from '../base/late.js';
import { defaultCriu } from '../criu/criu.js';
import { type LoggedPromise, withLog } from '../criu/log-promise.js';
import type { DumpOptions, PreDumpOptions } from '../options/types.js';
import { checkTarget, type UnitTarget } from '../options/unit-target.js';
import { validateOptions } from '../options/validate.js';
import type { ValidatedOptions } from '../options/validated.js';
import { type DumpPromise, withStatus } from './dump-promise.js';
import type { DumpResult } from './dump-result.js';
import type { DumpRequest } from './request.js';

const running = late(() => import('./run-dump.js'));

/**
 * Dumps a process and its children.
 *
 * @param target - The root of the tree, or the service of systemd whose main process is.
 * @throws TypeError, RangeError for a bad target or option, before anything is touched.
 * @throws CriuError when CRIU fails; the process goes on.
 *
 * @example
 * ```ts
 * await dump({ unit: 'web.service' }, { imagePath: '/var/lib/ckpt/web' });
 * await restore('/var/lib/ckpt/web', { unit: 'web.service' });
 * ```
 */
export function dump(
  target: number | UnitTarget,
  options: DumpOptions = {},
): DumpPromise<DumpResult> {
  return withStatus(async (statusReady, log) => {
    const checked = validateOptions('dump', options);
    return await dumpProcess('dump', checkTarget(target), checked, { statusReady, log });
  });
}

/**
 * Dumps the memory of a process and its children, which go on running; a later dump with
 * `parentPath` then writes only what has changed.
 *
 * @param target - The root of the tree, or the service of systemd whose main process is.
 * @throws TypeError, RangeError for a bad target or option, before anything is touched.
 * @throws CriuError `ERR_CRIU_FEATURE_MISSING` when the kernel does not track memory.
 */
export function preDump(
  target: number | UnitTarget,
  options: PreDumpOptions = {},
): LoggedPromise<DumpResult> {
  return withLog(async (log) => {
    const checked = validateOptions('preDump', options);
    return await dumpProcess('preDump', checkTarget(target), checked, { log });
  });
}

async function dumpProcess<C extends 'dump' | 'preDump'>(
  operation: C,
  target: number | UnitTarget,
  { criu = defaultCriu(), ...options }: ValidatedOptions[C],
  listeners: Pick<DumpRequest, 'statusReady' | 'log'>,
): Promise<DumpResult> {
  return await withDeadline(operation, options, async (deadline) => {
    const { dumpTarget } = await running();
    const request = {
      operation,
      criu,
      preDump: operation === 'preDump',
      deadline,
      ...listeners,
    };
    return await dumpTarget(target, { ...request, options });
  });
}
