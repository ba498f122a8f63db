import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../base/deadline.js';
import { CriuError, invalidArgValue } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { Cgroup, CgroupError, requireFreezable } from '../linux/cgroup-directory.js';
import { realHost } from '../linux/host.js';
import type { DumpRequest } from './request.js';

/** CRIU looks every 100 ms whether a cgroup is frozen, and traces its tasks then. */
const traceIntervalMs = 10;
const traceLooks = 12;

/**
 * Opens the cgroup that a dump freezes, which has to have the tasks in it and neither this process nor
 * anything that is not a cgroup.
 *
 * @returns undefined when none is frozen.
 * @throws InvalidArgValueError for the option `freezeCgroup`.
 * @throws CriuError `ERR_CONTAINER_BUSY` when another tool is dumping what is in it.
 */
export async function openFreezer(
  { pid, options, freezer, deadline }: DumpRequest,
  scope: Scope,
): Promise<Cgroup | undefined> {
  const { freezeCgroup: path } = options;
  if (options.freezer === 'ptrace') return undefined;
  if (path === undefined) {
    if (freezer !== undefined) await refuseOthersDump(freezer, deadline);
    return freezer;
  }
  // Opening is done at once, so whether a file system answers at all is found out before.
  const looked = stat(path).catch(() => undefined);
  await deadline.bound('freeze', looked);
  try {
    const cgroup = scope.use(Cgroup.open(path, realHost));
    requireFreezable(cgroup, pid);
    await refuseOthersDump(cgroup, deadline);
    return cgroup;
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    const expected = 'the directory of a cgroup that has the tasks in it';
    throw invalidArgValue('freezeCgroup', expected, path, error.why);
  }
}

/**
 * Refuses a cgroup that another tool has frozen for a dump of its own. Afterwards that tool thaws it,
 * while we would put it back to the frozen state that we found, and nobody would thaw it any more.
 * What a user has paused is not traced.
 *
 * @throws CriuError `ERR_CONTAINER_BUSY`
 */
async function refuseOthersDump(cgroup: Cgroup, deadline: Deadline): Promise<void> {
  for (let looks = 0; cgroup.isFreezing; looks++) {
    const traced = cgroup.processes().find((pid) => tracerOf(pid) !== 0);
    if (traced !== undefined) {
      throw new CriuError(
        'ERR_CONTAINER_BUSY',
        `The cgroup ${cgroup.path} is frozen and its process ${traced} is traced by process ` +
          `${tracerOf(traced)}: another tool is dumping it`,
        { stage: 'freeze' },
      );
    }
    if (looks >= traceLooks) return;
    await deadline.bound('freeze', sleep(traceIntervalMs));
  }
}

/** 0 for a process that nobody traces, and for one that is gone. */
function tracerOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^TracerPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
