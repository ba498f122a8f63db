// Files of /proc and of cgroups are read synchronously: they are in the kernel's memory, and a turn
// of libuv's pool takes longer than they do.
import { readFileSync, statSync } from 'node:fs';
import { readdir, realpath, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/errors.js';
import type { Host } from './host.js';

/** A line of `/proc/self/cgroup`. */
export interface Hierarchy {
  /** As the kernel names them, `name=systemd` included; one empty name for the unified one. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** A mounted cgroup file system. */
export interface CgroupMount {
  readonly mountpoint: string;
  /** What of the hierarchy is mounted, as our cgroup namespace sees it. */
  readonly root: string;
  /** `major:minor`. */
  readonly device: string;
  readonly type: 'cgroup' | 'cgroup2';
  /** The mount's own options, the controllers of a v1 hierarchy among them. */
  readonly options: readonly string[];
}

/** Whether a cgroup is stopped by the freezer; `undefined` when it has none. */
export type FreezerState = 'frozen' | 'thawed' | undefined;

const settleMs = 10_000;

/** The hierarchies that this process is in. */
export async function ownHierarchies(host: Host): Promise<readonly Hierarchy[]> {
  const text = readFileSync(`${host.procRoot}/self/cgroup`, 'utf8');
  return lines(text).flatMap((line) => {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) return [];
    return [{ controllers: (match[1] ?? '').split(','), path: match[2] ?? '' }];
  });
}

/** The cgroup file systems that this process sees, in the order of their mounting. */
export async function cgroupMounts(host: Host): Promise<readonly CgroupMount[]> {
  const text = readFileSync(`${host.procRoot}/self/mountinfo`, 'utf8');
  return lines(text).flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    const [, , device = '', root = '', mountpoint] = before.split(' ');
    if (mountpoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [
      {
        mountpoint: unescapeOctal(mountpoint),
        root: unescapeOctal(root),
        device,
        type,
        options: options.split(','),
      },
    ];
  });
}

/**
 * The directory that has every hierarchy under the name by which CRIU looks for it in a cgroup yard.
 * With one, CRIU need not mount them anew, and the kernel makes whoever mounts cgroup2 wait for a
 * grace period. `undefined` where one is not there, not whole, or hidden.
 */
export async function cgroupYard(host: Host): Promise<string | undefined> {
  const mounts = await cgroupMounts(host);
  const isThere = ({ controllers }: Hierarchy): boolean => {
    const [first = ''] = controllers;
    const name = first === '' ? 'unified' : controllers.join(',').replace(/^name=/, '');
    const path = join(host.cgroupRoot, name);
    const mount = mounts.findLast(({ mountpoint }) => mountpoint === path);
    return (
      mount?.root === '/' &&
      (first === ''
        ? mount.type === 'cgroup2'
        : controllers.every((controller) => mount.options.includes(controller))) &&
      deviceOf(path) === mount.device
    );
  };
  return (await ownHierarchies(host)).every(isThere) ? host.cgroupRoot : undefined;
}

function deviceOf(path: string): string | undefined {
  const dev = statSync(path, { throwIfNoEntry: false })?.dev;
  if (dev === undefined) return undefined;
  return `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
}

/**
 * The v1 hierarchies as runc binds them into a container that has no cgroup namespace: the first
 * mount of each one that this process is in.
 */
export async function boundHierarchies(host: Host): Promise<readonly string[]> {
  const missing = new Set((await ownHierarchies(host)).flatMap((entry) => entry.controllers));
  const mountpoints: string[] = [];
  for (const mount of await cgroupMounts(host)) {
    if (mount.type !== 'cgroup') continue;
    const found = mount.options.filter((option) => missing.delete(option));
    if (found.length > 0) mountpoints.push(mount.mountpoint);
  }
  return mountpoints;
}

/** A cgroup v1's own freezer; one that only an ancestor froze counts as thawed, as to runc. */
export async function freezerStateV1(path: string): Promise<FreezerState> {
  return settled(async () => {
    const state = await readControl(path, 'freezer.state');
    if (state === undefined) return undefined;
    if (state === 'FREEZING') return 'settling';
    if (state === 'THAWED') return 'thawed';
    const self = await readControl(path, 'freezer.self_freezing');
    return self === '0' ? 'thawed' : 'frozen';
  }, path);
}

/** A cgroup v2's freezer: frozen once asked to be and every task has come to rest. */
export async function freezerStateV2(path: string): Promise<FreezerState> {
  return settled(async () => {
    const asked = await readControl(path, 'cgroup.freeze');
    if (asked === undefined) return undefined;
    if (asked !== '1') return 'thawed';
    const events = await readControl(path, 'cgroup.events');
    if (events === undefined) return undefined;
    return /^frozen 1$/m.test(events) ? 'frozen' : 'settling';
  }, path);
}

/** Freezes or thaws a cgroup and does not wait for it. */
export async function writeFreezer(path: string, version: 1 | 2, frozen: boolean): Promise<void> {
  if (version === 1) await writeControl(path, 'freezer.state', frozen ? 'FROZEN' : 'THAWED');
  else await writeControl(path, 'cgroup.freeze', frozen ? '1' : '0');
}

/** Writes a control file that exists: a cgroup file system has no others to make. */
export async function writeControl(path: string, file: string, text: string): Promise<void> {
  await writeFile(join(path, file), text, { flag: 'r+' });
}

/** The processes of a cgroup and of those below it. */
export async function processesIn(path: string): Promise<readonly number[]> {
  const text = (await readControl(path, 'cgroup.procs')) ?? '';
  const below = await Promise.all((await subdirectories(path)).map((dir) => processesIn(dir)));
  return [...lines(text).map(Number), ...below.flat()];
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

async function settled(
  read: () => Promise<FreezerState | 'settling'>,
  path: string,
): Promise<FreezerState> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const state = await read();
    if (state !== 'settling') return state;
    if (Date.now() > deadline) {
      throw new Error(`the cgroup ${path} has been freezing for ${settleMs / 1000} s`);
    }
    await sleep(1);
  }
}

/**
 * Removes a cgroup and those below it. A directory that is not below a mounted cgroup file system
 * is refused, whatever a state file says, and so is such a file system's root.
 */
export async function removeCgroup(path: string, mounts: readonly CgroupMount[]): Promise<void> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (!mounts.some((mount) => real.startsWith(`${mount.mountpoint}/`))) {
    throw new Error(`${path} is not below a cgroup mount`);
  }
  await removeTree(real);
}

async function removeTree(path: string): Promise<void> {
  if (await removed(path)) return;
  for (const dir of await subdirectories(path)) await removeTree(dir);
  // Its last process may still be on the way out.
  for (let delay = 1; delay <= 512; delay *= 2) {
    if (await removed(path)) return;
    await sleep(delay);
  }
  await rmdir(path);
}

/** Whether the directory is gone now; `false` when it is in use or has others in it. */
async function removed(path: string): Promise<boolean> {
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

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** mountinfo writes blanks and backslashes as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** A freezer cgroup and the kind that it is of. */
export interface Freezer {
  readonly path: string;
  readonly version: 1 | 2;
}
