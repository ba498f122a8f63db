import { exclusive } from './contradiction.js';

/** What a clone cannot have, as its first process is the child of one in its own pid namespace. */
const notOfClones = {
  restoreSibling: 'the processes belong to the first one of the namespace, and `exited` is there',
} as const;

/**
 * Refuses options that have no meaning for a clone.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE`
 */
export function refuseForClone(given: Readonly<Record<string, unknown>>): void {
  if (given['pidNamespace'] === undefined) return;
  for (const [name, why] of Object.entries(notOfClones)) {
    if (given[name]) throw exclusive('pidNamespace', name, why);
  }
}
