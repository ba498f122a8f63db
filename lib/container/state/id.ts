import { invalidArgType, invalidArgValue } from '../../base/errors.js';

/**
 * runc's rule for a container id: letters, digits, `_`, `+`, `-` and `.`, and not a name that a
 * path would resolve away. An id that passes is one path component, so it cannot leave the state
 * root.
 */
export function validateId(id: unknown): string {
  if (typeof id !== 'string') {
    const advice = typeof id === 'number' ? 'pass a string for a container' : undefined;
    throw invalidArgType('id', 'a container id as a string', id, advice);
  }
  const reason = badId(id);
  if (reason !== undefined) throw invalidArgValue('id', 'a container id', id, reason);
  return id;
}

/** Why a text is no id; undefined for one that is. */
export function badId(id: string): string | undefined {
  if (id === '') return 'it is empty';
  if (id === '.' || id === '..') return 'it is not a file name';
  if (!/^[A-Za-z0-9_+.-]+$/.test(id)) {
    return 'only letters, digits, "_", "+", "-" and "." are allowed';
  }
  return undefined;
}
