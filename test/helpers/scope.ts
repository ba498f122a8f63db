import { afterEach } from 'vitest';
import { Scope } from './cleanup.js';

export { Scope } from './cleanup.js';

/** A scope for each test of the file. */
export function useScope(): Scope {
  const scope = new Scope();
  afterEach(() => scope.close());
  return scope;
}
