import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { cgroupMounts } from '../linux/cgroup.js';
import { type Host, realHost } from '../linux/host.js';
import type { LimitedCgroup } from '../options/limited-cgroup.js';

/** The controllers that a clone has cgroups of: those of limits, and one to freeze it by. */
const controllers = ['memory', 'cpu', 'pids', 'freezer'] as const;
/** The part of a second, in microseconds, in which a clone gets its share of the processors. */
const periodUs = 100_000;
/** How long a cgroup is waited for whose processes have just ended. */
const emptyLooks = 200;
const lookMs = 10;

/** The cgroups of a clone. */
export interface CloneCgroups {
  /** Open files, by which a process enters them. They are closed with the scope. */
  descriptors: readonly number[];
  /** Has them outlive the scope, with which they are removed otherwise. */
  keep(): void;
  /** Removes those that were made for the clone. Its processes have ended. */
  remove(): Promise<void>;
}

/** A hierarchy of cgroups that is mounted. */
interface Root {
  path: string;
  isUnified: boolean;
}

/**
 * Finds or makes the cgroups of a clone, and sets limits.
 *
 * @throws CriuError `ERR_SYSTEM_ERROR` where one cannot be made or limited; nothing is left then.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for limits on one that is there already.
 */
export async function openCgroups(
  cgroup: LimitedCgroup,
  scope: Scope,
  host: Host = realHost,
): Promise<CloneCgroups> {
  const roots = await rootsOf(cgroup, host);
  const made: string[] = [];
  let isKept = false;
  scope.defer(() => (isKept ? undefined : removeAll(made)));
  const descriptors = roots.map((root) => {
    const directory = join(root.path, cgroup.path);
    if (makeCgroup(root, directory, made)) limit(root, directory, cgroup);
    else refuseLimits(cgroup, directory);
    const fd = openSync(join(directory, 'cgroup.procs'), 'w');
    scope.defer(() => closeSync(fd));
    return fd;
  });
  return {
    descriptors,
    keep: () => {
      isKept = true;
    },
    remove: () => removeAll(made),
  };
}

/** The unified hierarchy where it is all there is, or those of the controllers, each once. */
async function rootsOf(cgroup: LimitedCgroup, host: Host): Promise<Root[]> {
  if (await host.unified()) return [{ path: host.cgroupRoot, isUnified: true }];
  const mounts = await cgroupMounts(host);
  const paths = controllers.flatMap((controller) => {
    const isOf = ({ type, options }: (typeof mounts)[number]): boolean =>
      type === 'cgroup' && options.includes(controller);
    const path = mounts.find(isOf)?.mountpoint;
    if (path === undefined && isLimited(cgroup, controller)) {
      throw cannot(`limit a clone by ${controller}`, 'no hierarchy of that controller is mounted');
    }
    return path ?? [];
  });
  return [...new Set(paths)].map((path) => ({ path, isUnified: false }));
}

function isLimited(
  { memoryBytes, cpus, pids }: LimitedCgroup,
  controller: (typeof controllers)[number],
): boolean {
  const limits = { memory: memoryBytes, cpu: cpus, pids, freezer: undefined };
  return limits[controller] !== undefined;
}

/** Whether it was not there. What is made is added to the list, the outermost first. */
function makeCgroup(root: Root, directory: string, made: string[]): boolean {
  if (existsSync(directory)) return false;
  const parent = dirname(directory);
  if (parent !== root.path) makeCgroup(root, parent, made);
  try {
    if (root.isUnified) enableControllers(parent);
    mkdirSync(directory);
  } catch (cause) {
    throw cannot(`make the cgroup ${directory} for a clone`, cause);
  }
  made.push(directory);
  return true;
}

/** Those that a cgroup of v2 has are not its children's without being asked for. */
function enableControllers(parent: string): void {
  const there = readFileSync(join(parent, 'cgroup.controllers'), 'latin1').split(/\s+/);
  const enabled = readFileSync(join(parent, 'cgroup.subtree_control'), 'latin1').split(/\s+/);
  const missing = controllers.filter((one) => there.includes(one) && !enabled.includes(one));
  if (missing.length === 0) return;
  const words = missing.map((one) => `+${one}`).join(' ');
  writeFileSync(join(parent, 'cgroup.subtree_control'), words);
}

function limit({ isUnified }: Root, directory: string, cgroup: LimitedCgroup): void {
  const { memoryBytes, cpus, pids } = cgroup;
  const quota = cpus === undefined ? undefined : Math.round(cpus * periodUs);
  const limits: readonly (readonly [string, number | string | undefined])[] = isUnified
    ? [
        ['memory.max', memoryBytes],
        ['cpu.max', quota === undefined ? undefined : `${quota} ${periodUs}`],
        ['pids.max', pids],
      ]
    : [
        ['memory.limit_in_bytes', memoryBytes],
        ['cpu.cfs_period_us', quota === undefined ? undefined : periodUs],
        ['cpu.cfs_quota_us', quota],
        ['pids.max', pids],
      ];
  for (const [name, value] of limits) {
    // In v1 each hierarchy has the files of its own controllers.
    if (value === undefined || (!isUnified && !existsSync(join(directory, name)))) continue;
    try {
      writeFileSync(join(directory, name), String(value));
    } catch (cause) {
      throw cannot(`set ${name} of the cgroup ${directory} to ${value} for a clone`, cause);
    }
  }
}

/** What is there may be others', whose limits are not changed. */
function refuseLimits(cgroup: LimitedCgroup, directory: string): void {
  const { memoryBytes, cpus, pids } = cgroup;
  if (memoryBytes === undefined && cpus === undefined && pids === undefined) return;
  const reason = `${directory} is there already, and is not limited anew`;
  throw invalidArgValue(
    'cgroup',
    'one that is to be made, if there are limits',
    cgroup.path,
    reason,
  );
}

function cannot(what: string, cause: unknown): CriuError {
  const code = errnoOf(cause) ?? String(cause);
  const message = sentence`Cannot ${what}, as ${option('cgroup')} asks for: ${code}`;
  return new CriuError('ERR_SYSTEM_ERROR', message, {
    operation: 'restore',
    stage: 'spawn',
    cause,
  });
}

/** One that others have put something into stays. */
async function removeAll(made: readonly string[]): Promise<void> {
  for (const directory of made.toReversed()) {
    for (let look = 0; look < emptyLooks; look++) {
      try {
        rmdirSync(directory);
      } catch (error) {
        if (errnoOf(error) !== 'EBUSY') break;
        await sleep(lookMs);
        continue;
      }
      break;
    }
  }
}
