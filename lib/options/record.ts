import { invalidArgType, invalidArgValue } from '../base/errors.js';

/**
 * Checks an element of an option that is an object, and gives a copy of its members.
 *
 * @param names - The members that it may have.
 * @param expected - What it is, for errors.
 */
export function checkRecord<Name extends string>(
  name: string,
  value: unknown,
  names: readonly Name[],
  expected: string,
): Partial<Readonly<Record<Name, unknown>>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, expected, value);
  }
  const unknown = Object.keys(value).find((key) => !(names as readonly string[]).includes(key));
  if (unknown !== undefined) {
    throw invalidArgValue(name, expected, value, `it has no ${JSON.stringify(unknown)}`);
  }
  // Each is read once, so that what is checked is what is used.
  return Object.fromEntries(
    names.map((key) => [key, (value as Record<string, unknown>)[key]]),
  ) as Partial<Record<Name, unknown>>;
}
