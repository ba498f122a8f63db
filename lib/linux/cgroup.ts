// Files of /proc and of cgroups are read synchronously: they are in the kernel's memory, and a turn
// of libuv's pool takes longer than reading them.
import { readFileSync, statSync } from 'node:fs';
import { readdir, realpath, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/errors.js';
import { splitDevice } from './device.js';
import type { Host } from './host.js';
import { type Mount, ownMounts } from './mountinfo.js';
import { isBelow } from './paths.js';

/** A line of `/proc/self/cgroup`: a hierarchy and where in it the process is. */
interface Hierarchy {
  /** The names that the kernel gives, `name=systemd` included; one empty name for cgroup v2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** A freezer cgroup and the version of its hierarchy. */
export interface Freezer {
  readonly path: string;
  readonly version: 1 | 2;
}

/** Whether a cgroup is stopped by the freezer; `undefined` when it has none. */
export type FreezerState = 'frozen' | 'thawed' | undefined;

/** A cgroup that has not come to rest after this time is not waited for any longer. */
const settleMs = 10_000;

/** The hierarchies that this process is in. */
export async function ownHierarchies(host: Host): Promise<readonly Hierarchy[]> {
  const text = readFileSync(`${host.procRoot}/self/cgroup`, 'utf8');
  return linesOf(text).flatMap((line) => {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) return [];
    return [{ controllers: (match[1] ?? '').split(','), path: match[2] ?? '' }];
  });
}

/** The controllers of a hierarchy as one name, which is empty for cgroup v2. */
export function hierarchyName({ controllers }: Hierarchy): string {
  return controllers.join(',').replace(/^name=/, '');
}

/** The cgroup file systems that this process sees, in the order of their mounting. */
export async function cgroupMounts(host: Host): Promise<readonly Mount[]> {
  return ownMounts(host.procRoot).filter(({ type }) => type === 'cgroup' || type === 'cgroup2');
}

/**
 * Finds the directory that has every hierarchy under the name by which CRIU looks for it in a cgroup
 * yard. Given one, CRIU does not mount the hierarchies anew, which is slow: the kernel makes whoever
 * mounts cgroup2 wait for a grace period.
 *
 * @returns `undefined` where a hierarchy is not there, is not whole or is hidden.
 */
export async function cgroupYard(host: Host): Promise<string | undefined> {
  const mounts = await cgroupMounts(host);
  const hierarchies = await ownHierarchies(host);
  const isYard = hierarchies.every((one) => isMountedIn(host.cgroupRoot, mounts, one));
  return isYard ? host.cgroupRoot : undefined;
}

/** Whether a hierarchy is mounted whole under its own name in a directory. */
function isMountedIn(directory: string, mounts: readonly Mount[], hierarchy: Hierarchy): boolean {
  const name = hierarchyName(hierarchy);
  const isV2 = name === '';
  const path = join(directory, isV2 ? 'unified' : name);
  const mount = mounts.findLast(({ mountpoint }) => mountpoint === path);
  if (mount?.root !== '/' || mount.dev !== deviceOf(path)) return false;
  if (isV2) return mount.type === 'cgroup2';
  return hierarchy.controllers.every((controller) => mount.options.includes(controller));
}

/** The device of what a path leads to, in the form that mountinfo has. */
function deviceOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) return undefined;
  const { major, minor } = splitDevice(stats.dev);
  return `${major}:${minor}`;
}

/**
 * The mount points of the v1 hierarchies as runc binds them into a container that has no cgroup
 * namespace: the first mount of each hierarchy that this process is in.
 */
export async function boundHierarchies(host: Host): Promise<readonly string[]> {
  const missing = new Set((await ownHierarchies(host)).flatMap((entry) => entry.controllers));
  const mountpoints: string[] = [];
  for (const mount of await cgroupMounts(host)) {
    if (mount.type !== 'cgroup') continue;
    const first = mount.options.filter((option) => missing.delete(option));
    if (first.length > 0) mountpoints.push(mount.mountpoint);
  }
  return mountpoints;
}

/**
 * The state of a v1 cgroup's own freezer. A cgroup that only an ancestor froze counts as thawed, as
 * it does to runc.
 */
export async function freezerStateV1(path: string): Promise<FreezerState> {
  return untilSettled(path, async () => {
    const state = await readControl(path, 'freezer.state');
    if (state === undefined) return undefined;
    if (state === 'FREEZING') return 'settling';
    if (state === 'THAWED') return 'thawed';
    const self = await readControl(path, 'freezer.self_freezing');
    return self === '0' ? 'thawed' : 'frozen';
  });
}

/**
 * The state of a v2 cgroup's freezer. A cgroup is frozen when that was asked for and every task has
 * come to rest.
 */
export async function freezerStateV2(path: string): Promise<FreezerState> {
  return untilSettled(path, async () => {
    const asked = await readControl(path, 'cgroup.freeze');
    if (asked === undefined) return undefined;
    if (asked !== '1') return 'thawed';
    const events = await readControl(path, 'cgroup.events');
    if (events === undefined) return undefined;
    return /^frozen 1$/m.test(events) ? 'frozen' : 'settling';
  });
}

async function untilSettled(
  path: string,
  read: () => Promise<FreezerState | 'settling'>,
): Promise<FreezerState> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const state = await read();
    if (state !== 'settling') return state;
    if (performance.now() > deadline) {
      throw new Error(`the cgroup ${path} has been freezing for ${settleMs / 1000} s`);
    }
    await sleep(1);
  }
}

/** Freezes or thaws a cgroup and does not wait until its tasks have come to rest. */
export async function writeFreezer(path: string, version: 1 | 2, frozen: boolean): Promise<void> {
  if (version === 1) await writeControl(path, 'freezer.state', frozen ? 'FROZEN' : 'THAWED');
  else await writeControl(path, 'cgroup.freeze', frozen ? '1' : '0');
}

/** Writes a control file that exists. Nobody can make one in a cgroup file system. */
export async function writeControl(path: string, file: string, text: string): Promise<void> {
  await writeFile(join(path, file), text, { flag: 'r+' });
}

/** The processes of a cgroup and of those below it. */
export async function processesIn(path: string): Promise<readonly number[]> {
  const text = (await readControl(path, 'cgroup.procs')) ?? '';
  const below = await Promise.all((await subdirectories(path)).map((dir) => processesIn(dir)));
  return [...linesOf(text).map(Number), ...below.flat()];
}

/** The file's text without its last newline; `undefined` when it or its cgroup is gone. */
async function readControl(path: string, file: string): Promise<string | undefined> {
  try {
    return readFileSync(join(path, file), 'utf8').trimEnd();
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Removes a cgroup and those below it.
 *
 * @throws Error for a directory that is not below a mounted cgroup file system, whatever a state file
 * says of it. The root of such a file system is refused too.
 */
export async function removeCgroup(path: string, mounts: readonly Mount[]): Promise<void> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (!isInCgroupMount(real, mounts)) throw new Error(`${path} is not below a cgroup mount`);
  await removeTree(real);
}

/** Whether a path without links is below a mount, and not the mount point itself. */
export function isInCgroupMount(path: string, mounts: readonly Mount[]): boolean {
  return mounts.some(({ mountpoint }) => path !== mountpoint && isBelow(path, mountpoint));
}

async function removeTree(path: string): Promise<void> {
  if (await tryRemove(path)) return;
  for (const dir of await subdirectories(path)) await removeTree(dir);
  // The last process of the cgroup may still be on its way out.
  for (let delay = 1; delay <= 512; delay *= 2) {
    if (await tryRemove(path)) return;
    await sleep(delay);
  }
  await rmdir(path);
}

/**
 * Removes a directory that is neither in use nor has others in it.
 *
 * @returns whether the directory is gone now.
 */
async function tryRemove(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

async function subdirectories(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
