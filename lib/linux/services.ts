import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.js';
import type { Host } from './host.js';
import { readProcessStat } from './process-stat.js';

/** Where systemd has the cgroups of units: all of them in one hierarchy, or in one of its own. */
const hierarchies = ['systemd', 'unified', '.'];

/** Slices are in slices, down to no more than this. */
const deepest = 16;

/** The cgroups of the services that systemd runs for the system, by their names. */
export function runningServices(host: Host): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of hierarchies) {
    addServices(found, join(host.cgroupRoot, name), deepest);
    if (found.size > 0) break;
  }
  return found;
}

function addServices(found: Map<string, string>, directory: string, depth: number): void {
  for (const name of directoriesIn(directory)) {
    const path = join(directory, name);
    if (name.endsWith('.service')) found.set(name, path);
    // What is below a service is its own affair.
    else if (name.endsWith('.slice') && depth > 0) addServices(found, path, depth - 1);
  }
}

/** The processes of a cgroup and of all below it. */
export function processesBelow(cgroup: string): number[] {
  const below = directoriesIn(cgroup).flatMap((name) => processesBelow(join(cgroup, name)));
  return [...membersOf(cgroup), ...below];
}

/** Of some processes those whose parent is none of them. */
export function rootsOf(pids: readonly number[], host: Host): number[] {
  const all = new Set(pids);
  return pids.filter((pid) => {
    const stat = readProcessStat(pid, host.procRoot);
    return stat !== undefined && !stat.isDead && !all.has(stat.parent);
  });
}

function membersOf(cgroup: string): number[] {
  const text = unlessGone(() => readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')) ?? '';
  // A process of another pid namespace is shown as 0.
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

function directoriesIn(path: string): string[] {
  const entries = unlessGone(() => readdirSync(path, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
