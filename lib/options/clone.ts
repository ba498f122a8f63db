import { exclusive, incomplete } from './contradiction.js';

/** What only a clone has. */
const ofClones = ['netNamespace', 'hostname', 'stdio', 'cgroup', 'endsWithParent'] as const;

/**
 * Refuses options that have no meaning for a clone, and those of a clone where there is none.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE`
 */
export function refuseForClone(given: Readonly<Record<string, unknown>>): void {
  const isGiven = (name: string): boolean => given[name] !== undefined && given[name] !== false;
  if (given['pidNamespace'] === undefined) {
    const name = ofClones.find(isGiven);
    if (name !== undefined) throw incomplete(name, 'pidNamespace', 'it is for clones');
    return;
  }
  if (isGiven('cgroup') && isGiven('manageCgroupsMode')) {
    throw exclusive('cgroup', 'manageCgroupsMode', 'the processes stay in that cgroup');
  }
  if (isGiven('restoreSibling')) {
    throw exclusive(
      'pidNamespace',
      'restoreSibling',
      'the first process has its parent in the namespace, and its end is told in any case',
    );
  }
}
