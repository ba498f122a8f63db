import { invalidArgType, invalidArgValue } from '../base/errors.js';

/** Checks that a value is a string that CRIU can take. */
export function checkText(name: string, expected: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgType(name, expected, value);
  if (value === '') throw invalidArgValue(name, expected, value, 'it is empty');
  // A NUL ends a C string; CRIU's log and configuration are lines.
  if (/[\0\n]/.test(value)) {
    throw invalidArgValue(name, expected, value, 'it has a NUL or a newline in it');
  }
  return value;
}
