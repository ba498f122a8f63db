import type { UnitTarget } from '../options/unit-target.js';
import { type Argument, lastOf } from './command.js';
import { type Flag, quoted, UsageError } from './flags.js';

/** A service of systemd in the place of a process. */
export const unitFlag: Flag = {
  name: 'unit',
  placeholder: 'NAME',
  help: 'save the main process of this service of systemd instead',
};

/** The argument of those commands that are for a process, or with `--unit` for a service of systemd. */
export const processArgument: Argument = {
  placeholder: '<pid>',
  meaning: 'the id of the process',
  completes: 'process',
  instead: [unitFlag],
};

/** What these commands call in their own way. */
export const processNames: Readonly<Record<string, string>> = {
  pid: '<pid>',
  'pid.unit': '--unit',
};

/** A process, or a service of systemd, and what it is called in a sentence. */
export interface ProcessTarget {
  target: number | UnitTarget;
  what: string;
}

/**
 * What is to be saved.
 *
 * @param advice - What else could be meant by an argument that is no number.
 */
export function targetOf(
  values: ReadonlyMap<string, boolean | string[]>,
  argument: string,
  advice = '',
): ProcessTarget {
  const unit = lastOf(values.get(unitFlag.name));
  if (unit !== undefined) return { target: { unit }, what: unit };
  return { target: pidOf(argument, '', advice), what: `process ${argument}` };
}

/**
 * The id of a process.
 *
 * @param flag - What gives it, if that is not the argument: ` for --pid`.
 */
export function pidOf(text: string, flag = '', advice = ''): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(
    `Expected the id of a process${flag} but received ${quoted(text)}${advice && `; ${advice}`}`,
  );
}
