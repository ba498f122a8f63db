import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, reason } from '../base/errors.js';
import { Cgroup } from '../linux/cgroup-directory.js';
import { type Host, realHost } from '../linux/host.js';
import { kill } from '../linux/kill.js';
import { readProcessStat } from '../linux/process-stat.js';
import type { ContainerCgroups } from './cgroups.js';
import { runPoststopHooks } from './poststop.js';
import type { ContainerState } from './state/container.js';
import { validateId } from './state/id.js';
import { initIsAlive } from './state/status.js';

/** CRIU has killed and awaited the tasks by now; only the way out can take a moment. */
const exitMs = 5000;

/**
 * Takes away what is left of a container whose tasks CRIU has ended, as its runtime does after a
 * checkpoint: cgroups, state directory, poststop hooks. The checkpoint has succeeded, so nothing is
 * thrown: what could not be done is told in sentences.
 *
 * @param cgroups - Those that were found to be the container's while it lived.
 */
export async function destroyContainer(
  container: ContainerState,
  cgroups: ContainerCgroups,
  host: Host = realHost,
  patienceMs: number = exitMs,
): Promise<readonly string[]> {
  try {
    await untilInitIsGone(container, host, patienceMs);
    await thaw(cgroups);
    await killTheRest(cgroups);
    return container.runtime === 'runc'
      ? await destroyRunc(container, host)
      : await destroyCrun(container, host);
  } catch (error) {
    return [`unable to destroy container: ${reason(error)}`];
  }
}

/** runc stops at what it cannot remove, so that `runc delete` finds the rest in its place. */
async function destroyRunc(container: ContainerState, host: Host): Promise<readonly string[]> {
  await removeCgroups(container, host);
  await removeResctrlGroup(container);
  await removeStateDirectory(container);
  return runPoststopHooks(container);
}

/** crun warns and goes on, and its hooks still see the state directory. */
async function destroyCrun(container: ContainerState, host: Host): Promise<readonly string[]> {
  const warnings: string[] = [];
  try {
    await removeCgroups(container, host);
  } catch (error) {
    warnings.push(reason(error));
  }
  warnings.push(...(await runPoststopHooks(container)));
  await removeStateDirectory(container);
  return warnings;
}

async function untilInitIsGone(
  container: ContainerState,
  host: Host,
  patienceMs: number,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let delay = 1; await initIsAlive(container, host); delay = Math.min(delay * 2, 50)) {
    if (performance.now() > deadline) throw new Error('container still running');
    await sleep(delay);
  }
}

/** A container that was paused: its tasks are dead, and nobody is to come back frozen. */
async function thaw({ freezer }: ContainerCgroups): Promise<void> {
  if ((await freezer?.freezerState()) === 'frozen') freezer?.freeze(false);
}

/** The end of an init process ends only the tasks of its own pid namespace. */
async function killTheRest({ killed, freezer }: ContainerCgroups): Promise<void> {
  // Since Linux 5.14 a v2 cgroup can be killed whole.
  if (killed === undefined || killed.write('cgroup.kill', '1')) return;
  // While they are frozen none of them can fork, or end and leave its pid to another process.
  try {
    freezer?.freeze(true);
    await freezer?.freezerState();
    for (const pid of killed.processes()) {
      const stat = pid > 1 && pid !== process.pid ? readProcessStat(pid) : undefined;
      if (stat !== undefined) kill(pid, stat);
    }
  } finally {
    freezer?.freeze(false);
  }
}

/**
 * A cgroup that systemd made goes the same way: its scope is transient, and systemd drops it when
 * the cgroup is empty or gone.
 */
async function removeCgroups({ cgroupPaths }: ContainerState, host: Host): Promise<void> {
  const removals = await Promise.allSettled(
    [...new Set(cgroupPaths.values())].map((path) => removeCgroup(path, host)),
  );
  const failures = removals.flatMap((removal) =>
    removal.status === 'rejected' ? [reason(removal.reason)] : [],
  );
  if (failures.length > 0) {
    throw new Error(`unable to remove container's cgroup: ${failures.join('; ')}`);
  }
}

async function removeCgroup(path: string, host: Host): Promise<void> {
  const cgroup = Cgroup.openIfThere(path, host);
  try {
    await cgroup?.remove();
  } finally {
    cgroup?.close();
  }
}

async function removeResctrlGroup({ intelRdtPath }: ContainerState): Promise<void> {
  if (intelRdtPath === undefined || !intelRdtPath.startsWith('/sys/fs/resctrl/')) return;
  try {
    await rmdir(intelRdtPath);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      throw new Error(`unable to remove container's IntelRDT group: ${reason(error)}`);
    }
  }
}

async function removeStateDirectory({ id, stateRoot, stateDir }: ContainerState): Promise<void> {
  validateId(id);
  if (dirname(stateDir) !== stateRoot) throw new Error(`${stateDir} is not in ${stateRoot}`);
  try {
    await rm(stateDir, { recursive: true, force: true });
  } catch (error) {
    throw new Error(`unable to remove container state dir: ${reason(error)}`);
  }
}
