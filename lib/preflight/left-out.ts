import { type Finding, makeFinding } from '../base/finding.js';
import type { Cgroup } from '../linux/cgroup-directory.js';
import { shownPath } from '../linux/paths.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import { treeOf } from './unrestorable.js';

/**
 * Finds the processes of a container that are not below its init process, as `runc exec` starts them:
 * CRIU saves a tree, so that they are not in the images, and they end with the container.
 *
 * @param cgroup - The container's.
 * @param init - The root of the tree.
 */
export function findLeftOut(cgroup: Cgroup, init: number): Finding[] {
  return cgroup
    .processes()
    .filter((pid) => pid !== init && isLeftOut(pid, init))
    .map(describe);
}

function describe(pid: number): Finding {
  const name = shownPath(tryReadProcessStat(pid)?.name ?? '');
  return makeFinding({
    code: 'task-left-out',
    severity: 'notice',
    pid,
    subject: name,
    message:
      `Process ${pid} (${name}) is of the container but not below its init process, as "runc exec" ` +
      'starts it: it is not saved, and ends when the container does',
  });
}

/**
 * Finds the processes below a container's init that are not in its cgroup, as `nsenter` starts them:
 * CRIU has the cgroup frozen and does not stop them.
 */
export function findUnfrozen(cgroup: Cgroup, init: number): Finding[] {
  const pids = new Set(cgroup.processes());
  if (!pids.has(init)) return [];
  return treeOf(init)
    .filter((pid) => !pids.has(pid) && tryReadProcessStat(pid)?.isDead === false)
    .map((pid) =>
      makeFinding({
        code: 'task-outside-cgroup',
        severity: 'fails',
        pid,
        subject: shownPath(tryReadProcessStat(pid)?.name ?? ''),
        message:
          `Process ${pid} is below the container's init process but not in its cgroup, as nsenter ` +
          'starts it, so that CRIU does not stop it: end it, or move it into the cgroup',
      }),
    );
}

/** Whether a process lives and none of its ancestors is the init process. */
function isLeftOut(pid: number, init: number): boolean {
  const seen = new Set<number>();
  for (let at = pid; at !== init; ) {
    const stat = tryReadProcessStat(at);
    if (stat === undefined || (at === pid && stat.isDead)) return false; // gone meanwhile
    // The parent of what comes from another pid namespace is 0.
    if (stat.parent <= 1 || seen.has(at)) return true;
    seen.add(at);
    at = stat.parent;
  }
  return false;
}
