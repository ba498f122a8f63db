import { stat } from 'node:fs/promises';
import { invalidArgValue } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { Cgroup, CgroupError, requireFreezable } from '../linux/cgroup-directory.js';
import { realHost } from '../linux/host.js';
import type { DumpRequest } from './request.js';

/**
 * Opens the cgroup that a dump freezes, which has to have the tasks in it and neither this process nor
 * anything that is not a cgroup.
 *
 * @returns undefined when none is frozen.
 * @throws InvalidArgValueError for the option `freezeCgroup`.
 */
export async function openFreezer(
  { pid, options, freezer, deadline }: DumpRequest,
  scope: Scope,
): Promise<Cgroup | undefined> {
  const { freezeCgroup: path } = options;
  if (options.freezer === 'ptrace') return undefined;
  if (path === undefined) return freezer;
  // Opening is done at once, so whether a file system answers at all is found out before.
  const looked = stat(path).catch(() => undefined);
  await deadline.bound('freeze', looked);
  try {
    const cgroup = scope.use(Cgroup.open(path, realHost));
    requireFreezable(cgroup, pid);
    return cgroup;
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    const expected = 'the directory of a cgroup that has the tasks in it';
    throw invalidArgValue('freezeCgroup', expected, path, error.why);
  }
}
