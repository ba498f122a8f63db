import { printable } from '../base/printable.js';
import type { Flag } from './flags.js';
import type { Sink } from './messages.js';

/** Of every command that has a result: what it prints then is one documented object. */
export const jsonFlag: Flag = { name: 'json', help: 'print the result as an object' };
/** Of the commands that print a line on a terminal. */
export const quietFlag: Flag = {
  name: 'quiet',
  help: 'print nothing on a terminal if all goes well',
};
/** What the commands print that save something. They are not options of the API. */
export const outputFlags: readonly Flag[] = [jsonFlag, quietFlag];

/** What a command has to tell of a success. */
export interface Told {
  /** What `--json` prints. */
  result: unknown;
  /** What is printed without it: a table, a pid. Nothing of commands that are silent for a script. */
  text?: string | (() => string | Promise<string>);
  /** A line for a terminal, in the place of `text`. */
  line?: string;
  /** Whether it is one of several results, each of which `--json` prints on a line of its own. */
  isOneOfSeveral?: boolean;
}

/** What the flags say that every command has for its output. */
type Values = ReadonlyMap<string, boolean | string[]>;

/** Prints what a command has to tell, in the form that was asked for. This is the one place for that. */
export async function tell(
  { result, text = '', line, isOneOfSeveral = false }: Told,
  values: Values,
  stdout: Sink,
): Promise<void> {
  if (values.get(jsonFlag.name) === true) {
    stdout.write(isOneOfSeveral ? `${JSON.stringify(result)}\n` : inJson(result));
  } else if (line !== undefined && stdout.isTTY === true && values.get(quietFlag.name) !== true) {
    stdout.write(`${printable(line)}\n`);
  } else {
    stdout.write(typeof text === 'string' ? text : await text());
  }
}

/** A value as text. */
export function inJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Whether nobody is to see how far it is. */
export function isSilent(values: Values): boolean {
  return [jsonFlag, quietFlag].some(({ name }) => values.get(name) === true);
}
