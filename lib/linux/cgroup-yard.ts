import { lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cgroupMounts, type Hierarchy, hierarchyName, ownHierarchies } from './cgroup.js';
import { splitDevice } from './device.js';
import type { Host } from './host.js';
import { type Mount, ownMounts } from './mountinfo.js';

/**
 * Finds the directory that has every hierarchy under the name by which CRIU looks for it in a cgroup
 * yard. Given one, CRIU does not mount the hierarchies anew, which is slow: the kernel makes whoever
 * mounts cgroup2 wait for a grace period.
 *
 * @returns `undefined` where a hierarchy is not there, is not whole or is hidden.
 */
export async function cgroupYard(host: Host): Promise<string | undefined> {
  if (await host.unified()) return unifiedYard(host);
  const hierarchies = await ownHierarchies(host);
  return isYardOfMounts(host, hierarchies) ? host.cgroupRoot : undefined;
}

/** What was found last, of which nothing changes while mounts and hierarchies are the same. */
let last: { mounts: readonly Mount[]; key: string; isYard: boolean } | undefined;

function isYardOfMounts(
  { procRoot, cgroupRoot }: Host,
  hierarchies: readonly Hierarchy[],
): boolean {
  const mounts = ownMounts(procRoot);
  const key = JSON.stringify([cgroupRoot, hierarchies.map(hierarchyName)]);
  if (last?.mounts !== mounts || last.key !== key) {
    const isYard = hierarchies.every((one) =>
      isMounted(join(cgroupRoot, hierarchyName(one) || 'unified'), mounts, one),
    );
    last = { mounts, key, isYard };
  }
  return last.isYard;
}

/**
 * Where the unified hierarchy is all there is, nothing has it under CRIU's name for it: a directory of
 * ours with a link does, which is made once. It has to be root's alone, or CRIU would look at whatever
 * somebody else has linked there.
 *
 * @returns undefined where that cannot be, or tasks are in other hierarchies as well.
 */
async function unifiedYard(host: Host): Promise<string | undefined> {
  const [own, ...others] = await ownHierarchies(host);
  if (own === undefined || others.length > 0) return undefined;
  if (!isMounted(host.cgroupRoot, await cgroupMounts(host), own)) return undefined;
  const yard = join(host.runRoot, 'cgroup-yard');
  try {
    makeYard(yard, host.cgroupRoot);
    return isYardOf(yard, host) ? yard : undefined;
  } catch {
    // Without one CRIU mounts the hierarchy, which takes longer and does as well.
    return undefined;
  }
}

/** Makes what is missing. Whoever made the rest meanwhile has made the same. */
function makeYard(yard: string, cgroupRoot: string): void {
  const link = join(yard, 'unified');
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(yard, { recursive: true, mode: 0o700 });
  try {
    symlinkSync(cgroupRoot, link);
  } catch (error) {
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) throw error;
  }
}

/** Whether only root, or who we are, can have made it, and CRIU has mounted nothing else in it. */
function isYardOf(yard: string, { cgroupRoot, euid }: Host): boolean {
  const isOurs = [dirname(yard), yard].every((path) => {
    const { uid, mode } = lstatSync(path);
    return (uid === 0 || uid === euid) && (mode & 0o170022) === 0o040000;
  });
  if (!isOurs || readlinkSync(join(yard, 'unified')) !== cgroupRoot) return false;
  return readdirSync(yard).length === 1;
}

/** Whether a hierarchy is mounted whole at a path, and can be seen there. */
function isMounted(path: string, mounts: readonly Mount[], hierarchy: Hierarchy): boolean {
  const mount = mounts.findLast(({ mountpoint }) => mountpoint === path);
  if (mount?.root !== '/' || mount.dev !== deviceOf(path)) return false;
  if (hierarchyName(hierarchy) === '') return mount.type === 'cgroup2';
  return hierarchy.controllers.every((controller) => mount.options.includes(controller));
}

/** The device of what a path leads to, in the form that mountinfo has. */
function deviceOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) return undefined;
  const { major, minor } = splitDevice(stats.dev);
  return `${major}:${minor}`;
}
