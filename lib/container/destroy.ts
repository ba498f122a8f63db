import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, reason } from '../base/errors.js';
import {
  cgroupMounts,
  freezerStateV1,
  freezerStateV2,
  isInCgroupMount,
  processesIn,
  removeCgroup,
  writeControl,
  writeFreezer,
} from '../linux/cgroup.js';
import { type Host, realHost } from '../linux/host.js';
import { kill } from '../linux/kill.js';
import { runPoststopHooks } from './poststop.js';
import { type ContainerState, namespaceOf } from './state/container.js';
import { validateId } from './state/id.js';
import { freezerOf, initIsAlive } from './state/status.js';

/** CRIU has killed and awaited the tasks by now; only the way out can take a moment. */
const exitMs = 5000;

/**
 * Takes away what is left of a container whose tasks CRIU has ended, as its runtime does after a
 * checkpoint: cgroups, state directory, poststop hooks. The checkpoint has succeeded, so nothing is
 * thrown: what could not be done is told in sentences.
 */
export async function destroyContainer(
  container: ContainerState,
  host: Host = realHost,
  patienceMs: number = exitMs,
): Promise<readonly string[]> {
  try {
    await untilInitIsGone(container, host, patienceMs);
    await thaw(container, host);
    if (!hasOwnPidNamespace(container)) await killTheRest(container, host);
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
async function thaw(container: ContainerState, host: Host): Promise<void> {
  const freezer = await freezerOf(container, host);
  if (freezer === undefined) return;
  const read = freezer.version === 1 ? freezerStateV1 : freezerStateV2;
  if ((await read(freezer.path)) === 'frozen') {
    await writeFreezer(freezer.path, freezer.version, false);
  }
}

function hasOwnPidNamespace(container: ContainerState): boolean {
  return namespaceOf(container, 'pid')?.path === '';
}

/** The end of an init process ends only the tasks of its own pid namespace. */
async function killTheRest(container: ContainerState, host: Host): Promise<void> {
  const mounts = await cgroupMounts(host);
  const isOurs = (path: string | undefined): path is string =>
    path !== undefined && isInCgroupMount(path, mounts);
  const unified = container.cgroupPaths.get('');
  if (isOurs(unified) && (await writtenIfThere(unified, 'cgroup.kill', '1'))) return;
  const freezer = await freezerOf(container, host);
  const path = freezer?.version === 2 ? freezer.path : container.cgroupPaths.get('devices');
  if (!isOurs(path)) return;
  // While they are frozen none of them can fork, or end and leave its pid to another process.
  try {
    if (freezer !== undefined) await freeze(freezer.path, freezer.version);
    for (const pid of await processesIn(path)) {
      const error = pid > 1 && pid !== process.pid ? kill(pid) : undefined;
      if (error) throw error;
    }
  } finally {
    if (freezer !== undefined) await writeFreezer(freezer.path, freezer.version, false);
  }
}

async function freeze(path: string, version: 1 | 2): Promise<void> {
  try {
    await writeFreezer(path, version, true);
    await (version === 1 ? freezerStateV1 : freezerStateV2)(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Since Linux 5.14 a v2 cgroup can be killed whole. */
async function writtenIfThere(path: string, file: string, text: string): Promise<boolean> {
  try {
    await writeControl(path, file, text);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * A cgroup that systemd made goes the same way: its scope is transient, and systemd drops it when
 * the cgroup is empty or gone.
 */
async function removeCgroups({ cgroupPaths }: ContainerState, host: Host): Promise<void> {
  const mounts = await cgroupMounts(host);
  const removals = await Promise.allSettled(
    [...new Set(cgroupPaths.values())].map((path) => removeCgroup(path, mounts)),
  );
  const failures = removals.flatMap((removal) =>
    removal.status === 'rejected' ? [reason(removal.reason)] : [],
  );
  if (failures.length > 0) {
    throw new Error(`unable to remove container's cgroup: ${failures.join('; ')}`);
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
