import { existsSync, readFileSync } from 'node:fs';
import { processState } from './process.js';

/** The cgroup v1 freezer directory of a process, or its v2 directory where there is no v1. */
export function freezerDirectory(pid: number): { path: string; version: 1 | 2 } {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const v1 = lines.find((line) => line.split(':')[1] === 'freezer');
  if (v1 !== undefined) {
    return { path: `/sys/fs/cgroup/freezer${v1.split(':').slice(2).join(':')}`, version: 1 };
  }
  const v2 = lines.find((line) => line.startsWith('0::'));
  return { path: `/sys/fs/cgroup${v2?.slice(3) ?? ''}`, version: 2 };
}

/** `THAWED`, `FREEZING` or `FROZEN`. */
export function freezerState(pid: number): string {
  const { path, version } = freezerDirectory(pid);
  // The root of a hierarchy has no such file, and is never frozen.
  const file = version === 1 ? 'freezer.state' : 'cgroup.events';
  if (!existsSync(`${path}/${file}`)) return 'THAWED';
  if (version === 1) return readFileSync(`${path}/freezer.state`, 'utf8').trim();
  const events = readFileSync(`${path}/cgroup.events`, 'utf8');
  return /^frozen 1$/m.test(events) ? 'FROZEN' : 'THAWED';
}

/** Alive, its cgroup thawed, and not stopped or traced. */
export function isRunning(pid: number): boolean {
  const state = processState(pid)?.state;
  if (state === undefined || !'RSDI'.includes(state)) return false;
  return freezerState(pid) === 'THAWED';
}
