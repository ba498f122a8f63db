// @ts-check
// Under which licences a package may be that is installed with this one.

const good = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']);

/**
 * A licence as CycloneDX has it: one of SPDX, another by its name, or several in an expression.
 *
 * @typedef {{license?: {id?: string, name?: string}, expression?: string}} Licence
 */

/**
 * Those of a package that are not known to be good.
 *
 * @param {readonly Licence[]} licences
 * @returns {string[]} empty where all are
 */
export function doubtful(licences) {
  const ids = licences.flatMap(({ license, expression }) =>
    expression === undefined
      ? (license?.id ?? license?.name ?? 'none')
      : expression.split(/\s+(?:AND|OR)\s+|[()]/).flatMap((part) => part.trim() || []),
  );
  return ids.length === 0 ? ['none'] : ids.filter((id) => !good.has(id));
}
