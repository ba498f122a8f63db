import { type Argument, allFlags, type Command } from '../command.js';
import type { Flag } from '../flags.js';

/** What a shell can complete an argument or the value of a flag with. */
export type Kind =
  | 'file'
  | 'directory'
  | 'container'
  | 'process'
  | 'command'
  /** Something that nobody can tell beforehand. */
  | 'any'
  | { words: readonly string[] };

/** A flag as shells know it. */
export interface CompletedFlag {
  name: string;
  short: string | undefined;
  help: string;
  /** None for a flag without a value. */
  kind: Kind | undefined;
  isRepeated: boolean;
}

/** A command as shells know it. */
export interface CompletedCommand {
  name: string;
  summary: string;
  flags: readonly CompletedFlag[];
  /** Of its arguments, in their order. */
  arguments: readonly Kind[];
  /** Whether all that stands behind its argument is the affair of the program that this is. */
  runsProgram: boolean;
}

/** What is completed. */
export interface CompletedProgram {
  flags: readonly CompletedFlag[];
  commands: readonly CompletedCommand[];
}

/** What shells know of the command. */
export function completedProgram(
  commands: readonly Command[],
  globalFlags: readonly Flag[],
): CompletedProgram {
  const help: CompletedCommand = {
    name: 'help',
    summary: 'show the help of a command',
    flags: [],
    arguments: ['command'],
    runsProgram: false,
  };
  return { flags: globalFlags.map(completedFlag), commands: [...commands.map(completed), help] };
}

function completed(command: Command): CompletedCommand {
  const { name, summary, argument } = command;
  const given = argument === undefined ? [] : [argument, ...(argument.next ? [argument.next] : [])];
  return {
    name,
    summary,
    flags: allFlags(command).map(completedFlag),
    arguments: given.map(kindOfArgument),
    runsProgram: argument?.isProgram === true,
  };
}

function completedFlag({ name, short, help, placeholder, repeated }: Flag): CompletedFlag {
  const kind = placeholder === undefined ? undefined : kindOf(placeholder);
  return { name, short, help, kind, isRepeated: repeated === true };
}

function kindOfArgument({ placeholder, completes }: Omit<Argument, 'meaning'>): Kind {
  if (completes !== undefined) return completes;
  const kind = kindOf(placeholder);
  return kind === 'any' ? 'file' : kind;
}

const kinds: Readonly<Record<string, Kind>> = {
  DIR: 'directory',
  FILE: 'file',
  PATH: 'file',
  SOCKET: 'file',
  PID: 'process',
};

/** What the word for a value tells of it: `refuse|replace` are all values, and `DIR` is a directory. */
function kindOf(placeholder: string): Kind {
  const words = placeholder.split('|');
  if (words.every((word) => /^[a-z][a-z0-9-]*$/.test(word))) return { words };
  return kinds[placeholder] ?? 'any';
}
