import { invalidArgType, invalidArgValue } from './errors.js';

/**
 * Checks an argument that is a whole number, or undefined.
 *
 * @returns the argument.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no number.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a number that is not whole or out of bounds.
 */
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

/** An argument that is the id of a process. */
export function checkPid(
  pid: unknown,
  name = 'pid',
  expected = 'the id of a process',
): asserts pid is number {
  if (typeof pid !== 'number') throw invalidArgType(name, expected, pid);
  if (!Number.isInteger(pid) || pid < 1 || pid > 0x7fffffff) {
    throw invalidArgValue(name, expected, pid);
  }
}
