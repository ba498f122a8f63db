import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CriuError, reason } from '../../base/errors.js';
import { type Sentence, sentence } from '../../base/sentence.js';
import { Cgroup, CgroupError, type FreezerState } from '../../linux/cgroup-directory.js';
import type { Host } from '../../linux/host.js';
import { exists } from '../../linux/paths.js';
import { readProcessStat } from '../../linux/process-stat.js';
import type { Container, ContainerState, ContainerStatus } from './container.js';

/** The path of the cgroup whose freezer stops the container as a whole. */
export async function freezerPathOf(
  container: ContainerState,
  host: Host,
): Promise<string | undefined> {
  return container.cgroupPaths.get((await host.unified()) ? '' : 'freezer');
}

/** What the container is doing now, decided in its runtime's own order. */
export async function readStatus(container: ContainerState, host: Host): Promise<ContainerStatus> {
  return container.runtime === 'runc' ? runcStatus(container, host) : crunStatus(container, host);
}

/**
 * Whether the recorded init process is still that one: alive, not a zombie, and started when the
 * state says; the kernel gives the number of a dead process to another.
 */
export async function initIsAlive(container: ContainerState, host: Host): Promise<boolean> {
  const { initPid, initStartTime } = container;
  if (initPid <= 0) return false;
  const stat = readProcessStat(initPid, host.procRoot);
  if (stat === undefined || stat.isDead) return false;
  // crun did not always record a start time; runc always does.
  if (initStartTime === 0 && container.runtime === 'crun') return true;
  return stat.startTime === initStartTime;
}

/** The name of the init process while it is still the runtime, which gets the container ready. */
const runtimesInit = /^(?:runc:\[\d:[A-Z]+\]|crun)$/;
/** A program of the container's own may have such a name, so nobody waits longer than this. */
const startMs = 1000;

/**
 * Waits until the container's program runs. `runc start` is back a moment before that, and what it
 * leaves is not the container's: its root and descriptors lie outside, which CRIU cannot dump.
 */
export async function untilStarted({ initPid }: ContainerState, host: Host): Promise<void> {
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline) {
    const comm = nameOf(initPid, host);
    if (!runtimesInit.test(comm.trimEnd())) return;
    await sleep(1);
  }
}

/** Of the kernel's memory, for which nobody waits; empty for a process that is gone. */
function nameOf(pid: number, { procRoot }: Host): string {
  try {
    return readFileSync(`${procRoot}/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}

/** Refuses a container that cannot be checkpointed, in runc's words. */
export async function requireCheckpointable(container: Container, host: Host): Promise<void> {
  const { id, status, initPid } = container;
  const alive = await initIsAlive(container, host);
  if (alive && (status === 'running' || status === 'paused')) return;
  // runc says paused of a frozen cgroup whose init is gone; there is nothing to dump in it.
  const shown = alive ? status : 'stopped';
  const why =
    alive || initPid <= 0 ? '' : `: its init process ${initPid} is gone or the pid is another's`;
  throw new CriuError(
    'ERR_CONTAINER_STATE',
    `Container cannot be checkpointed in ${shown} state (id ${JSON.stringify(id)})${why}`,
  );
}

async function runcStatus(container: ContainerState, host: Host): Promise<ContainerStatus> {
  if ((await freezerState(container, host)) === 'frozen') return 'paused';
  if (!(await initIsAlive(container, host))) return 'stopped';
  return (await hasExecFifo(container)) ? 'created' : 'running';
}

async function crunStatus(container: ContainerState, host: Host): Promise<ContainerStatus> {
  if (!(await initIsAlive(container, host))) return 'stopped';
  if (await hasExecFifo(container)) return 'created';
  return (await freezerState(container, host)) === 'frozen' ? 'paused' : 'running';
}

async function freezerState(container: ContainerState, host: Host): Promise<FreezerState> {
  const path = await freezerPathOf(container, host);
  if (path === undefined) return undefined;
  let cgroup: Cgroup | undefined;
  try {
    cgroup = Cgroup.openIfThere(path, host);
    return await cgroup?.freezerState();
  } catch (cause) {
    if (cause instanceof CgroupError) throw corruptCgroup(container, path, cause);
    throw new CriuError(
      'ERR_CONTAINER_STATE',
      `The state of container ${JSON.stringify(container.id)} is not known: ${reason(cause)}`,
      { cause },
    );
  } finally {
    cgroup?.close();
  }
}

/** The error for a state that names a cgroup which is not the container's. */
export function corruptCgroup(
  { id }: ContainerState,
  path: string,
  cause: CgroupError,
  cure: Sentence = '',
): CriuError {
  return new CriuError(
    'ERR_CONTAINER_CORRUPT',
    sentence`The state of container ${JSON.stringify(id)} names the cgroup ${path}, which
      cannot be used: ${cause.why}${cure}`,
    { cause },
  );
}

/** Whether the pipe is there at which the init process of a created container waits for the start. */
async function hasExecFifo(container: ContainerState): Promise<boolean> {
  const fifo = join(container.stateDir, 'exec.fifo');
  return container.isLocal === true ? existsSync(fifo) : await exists(fifo);
}
