import { invalidArgType, invalidArgValue } from './errors.js';

export function checkCount(
  name: string,
  value: unknown,
  min: number,
  max: number,
): number | undefined {
  if (value === undefined) return undefined;
  const expected = `an integer from ${min} to ${max}`;
  if (typeof value !== 'number') throw invalidArgType(name, expected, value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalidArgValue(name, expected, value);
  }
  return value;
}

export function checkPid(pid: unknown): asserts pid is number {
  if (typeof pid !== 'number') throw invalidArgType('pid', 'the id of a process', pid);
  if (!Number.isInteger(pid) || pid < 1 || pid > 0x7fffffff) {
    throw invalidArgValue('pid', 'the id of a process', pid);
  }
}
