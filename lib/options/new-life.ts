import { deserialize, serialize } from 'node:v8';
import { invalidArgType, invalidArgValue } from '../base/errors.js';

/** What a restored program is told of its new life. */
export interface NewLife {
  data?: unknown;
  env?: Readonly<Record<string, string | undefined>> | undefined;
  argv?: readonly string[] | undefined;
  /** Whether it has a channel. */
  channel?: boolean | undefined;
}

/** The same as it is passed on. */
export interface ToldLife extends NewLife {
  /** Where the images are now. */
  imagePath?: string;
}

/** Checks that a value can be cloned, and gives the clone. */
export function checkData(name: string, value: unknown): unknown {
  try {
    return deserialize(serialize(value));
  } catch {
    // Node.js quotes a function with all of its text.
    throw invalidArgType(name, 'a value that can be cloned', value);
  }
}

/** Checks variables as `child_process` takes them, and gives a copy of those that are set. */
export function checkEnvironment(name: string, value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'an object of strings', value);
  }
  const variables = Object.entries(value).filter(([, text]) => text !== undefined);
  for (const [variable, text] of variables) {
    if (!/^[^=\0]+$/s.test(variable)) {
      throw invalidArgValue(name, 'names without "=" and NUL', variable);
    }
    checkArgument(`${name}.${variable}`, text);
  }
  return Object.fromEntries(variables);
}

/** Checks that a value is a string that a program can be given. It may be a secret, and is not told. */
export function checkArgument(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgType(name, 'a string', typeof value);
  if (!value.includes('\0')) return value;
  throw invalidArgValue(name, 'a string without a NUL', `${value.length} characters`);
}
