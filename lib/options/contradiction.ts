import { ContradictionError } from '../base/errors.js';
import { option, sentence } from '../base/sentence.js';

/** Two options of which only one can be given. */
export function exclusive(first: string, second: string, why?: string): ContradictionError {
  const reason = why === undefined ? '' : `: ${why}`;
  return new ContradictionError(
    [first, second],
    sentence`${option(first)} and ${option(second)} exclude each other${reason}`,
  );
}

/** An option that means nothing without another one. */
export function incomplete(
  name: string,
  needed: string,
  why?: string,
  value?: string,
): ContradictionError {
  const given = value === undefined ? option(name) : sentence`${option(name)} ${value}`;
  const reason = why === undefined ? '' : `: ${why}`;
  return new ContradictionError(
    [name, needed],
    sentence`${given} needs ${option(needed)}${reason}`,
  );
}
