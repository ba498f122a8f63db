import { posix } from 'node:path';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { checkRecord } from './record.js';
import { checkText } from './text.js';

/** A cgroup for a clone, with limits for all of its processes together. */
export interface LimitedCgroup {
  /** In each hierarchy, from its root: `/clones/1`. */
  path: string;
  /** The most memory that they may have, in bytes. */
  memoryBytes?: number | undefined;
  /** The most processors that they may use, also parts of one: 0.5. */
  cpus?: number | undefined;
  /** The most processes and threads that there may be, criu's while it restores among them. */
  pids?: number | undefined;
}

/** Checks the option `cgroup`, and gives a copy of it. */
export function checkLimitedCgroup(name: string, value: unknown): LimitedCgroup {
  if (typeof value === 'string') return { path: checkPath(name, value) };
  const expected = 'the path of a cgroup, or an object of path, memoryBytes, cpus and pids';
  const names = ['path', 'memoryBytes', 'cpus', 'pids'] as const;
  const { path, memoryBytes, cpus, pids } = checkRecord(name, value, names, expected);
  return {
    path: checkPath(`${name}.path`, path),
    memoryBytes: checkLimit(`${name}.memoryBytes`, memoryBytes, 4096, Number.isInteger),
    cpus: checkLimit(`${name}.cpus`, cpus, 0.01, Number.isFinite),
    pids: checkLimit(`${name}.pids`, pids, 1, Number.isInteger),
  };
}

function checkPath(name: string, value: unknown): string {
  const expected = 'the absolute path of a cgroup below the root of its hierarchy';
  const path = checkText(name, expected, value);
  const normal = posix.normalize(path).replace(/\/$/, '');
  if (!path.startsWith('/') || normal === '' || path.split('/').includes('..')) {
    throw invalidArgValue(name, expected, path);
  }
  return normal;
}

function checkLimit(
  name: string,
  value: unknown,
  least: number,
  isNumber: (value: unknown) => boolean,
): number | undefined {
  if (value === undefined) return undefined;
  const kind = isNumber === Number.isInteger ? 'an integer' : 'a number';
  const expected = `${kind} of at least ${least}`;
  if (typeof value !== 'number') throw invalidArgType(name, expected, value);
  if (!isNumber(value) || value < least || value > Number.MAX_SAFE_INTEGER) {
    throw invalidArgValue(name, expected, value);
  }
  return value;
}
