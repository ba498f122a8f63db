// Files of /proc are read synchronously: they are in the kernel's memory, and a turn of libuv's pool
// takes longer than reading them.
import { readFileSync } from 'node:fs';
import { errnoOf } from '../base/errors.js';
import { splitDevice } from './device.js';
import type { Host } from './host.js';
import { type Mount, ownMounts } from './mountinfo.js';
import { isBelow } from './paths.js';

/** A line of `/proc/self/cgroup`: a hierarchy and where in it the process is. */
export interface Hierarchy {
  /** The names that the kernel gives, `name=systemd` included; one empty name for cgroup v2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** The version of a hierarchy of cgroups. */
export type CgroupVersion = 1 | 2;

/** The hierarchies that this process is in. */
export async function ownHierarchies(host: Host): Promise<readonly Hierarchy[]> {
  return cgroupLines('self', host).flatMap((line) => {
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

/** Where a cgroup is. */
export interface CgroupPlace {
  /** The start of the line that `/proc/PID/cgroup` has of the hierarchy, like `4:freezer:`. */
  readonly hierarchy: string | undefined;
  /** The cgroup's path in the hierarchy, as our cgroup namespace shows it. */
  readonly inside: string;
}

/**
 * Finds where in its hierarchy a cgroup is.
 *
 * @param path - The cgroup's directory, without links.
 * @param dev - The device of its file system.
 * @returns undefined when no mount that this process sees has it.
 */
export function placeOf(path: string, dev: bigint, host: Host): CgroupPlace | undefined {
  const { major, minor } = splitDevice(dev);
  const mount = ownMounts(host.procRoot)
    .filter((one) => one.dev === `${major}:${minor}` && isBelow(path, one.mountpoint))
    .reduce<Mount | undefined>(innermost, undefined);
  if (mount === undefined) return undefined;
  const line = cgroupLines('self', host).find((text) => isLineOf(mount, text)) ?? '';
  const above = mount.root === '/' ? '' : mount.root;
  const inside = above + path.slice(mount.mountpoint.length);
  return { hierarchy: /^\d+:[^:]*:/.exec(line)?.[0], inside: inside === '' ? '/' : inside };
}

/** Of mounts that a path is below, the one that it is on: the last one of the deepest. */
function innermost(found: Mount | undefined, mount: Mount): Mount {
  return found !== undefined && found.mountpoint.length > mount.mountpoint.length ? found : mount;
}

function isLineOf(mount: Mount, line: string): boolean {
  const controllers = line.split(':')[1] ?? '';
  if (mount.type === 'cgroup2') return controllers === '';
  return controllers !== '' && controllers.split(',').every((one) => mount.options.includes(one));
}

/** The lines of `/proc/PID/cgroup`; none for a process that is gone. */
export function cgroupLines(pid: number | 'self', host: Host): readonly string[] {
  try {
    return linesOf(readFileSync(`${host.procRoot}/${pid}/cgroup`, 'utf8'));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ESRCH') return [];
    throw error;
  }
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
