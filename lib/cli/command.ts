import type { Readable, Writable } from 'node:stream';
import { apiWords, type Words } from '../base/sentence.js';
import type { CheckpointResult } from '../container/checkpoint.js';
import { defaultCriu } from '../criu/criu.js';
import type { CheckpointOptions } from '../options/types.js';
import { type Flag, parseFlags, quoted, UsageError } from './flags.js';
import { flagEntries, flagTerm, renderHelp } from './help.js';
import type { Log, Sink } from './messages.js';
import { type Told, tell } from './output.js';

/** What of the outside the command uses, so that a test can be the outside. */
export interface Outside {
  stdout: Sink;
  /** Standard input. */
  readonly input?: Readable | undefined;
  /** Standard output for an archive; undefined where it is a terminal. */
  output?: Writable | undefined;
  stderr: Sink;
  version: string;
  checkpoint: (id: string, options: CheckpointOptions) => Promise<CheckpointResult>;
  /** Calls the listener when the user wants the command to end; gives what stops listening. */
  onInterrupt: (listener: (signal: string) => void) => () => void;
}

/** What the global flags have led to. */
export interface Settings {
  outside: Outside;
  log: Log;
  /** Absolute, if it was given. */
  root: string | undefined;
  globalFlags: readonly Flag[];
  commands: readonly Command[];
}

/** The one argument that a command takes. */
export interface Argument {
  /** In the usage: `<container-id>`. */
  placeholder: string;
  /** In sentences: `the container id`. */
  meaning: string;
  /** The flags of which one is given in its place. */
  instead?: readonly Flag[];
  /** Whether it is a program, behind which all is the program's own. */
  isProgram?: boolean;
  /** What a shell completes it with, where that is neither a file nor a word of the placeholder. */
  completes?: 'container' | 'process' | 'directory';
  /** A second argument, which follows it. */
  next?: Pick<Argument, 'placeholder' | 'meaning' | 'completes'>;
}

/** What a command was called with. */
export interface Invocation extends Settings {
  values: ReadonlyMap<string, boolean | string[]>;
  /** The argument; empty when a flag stands in its place. */
  argument: string;
  /** The arguments behind it: those of a program, or a second one. */
  rest: readonly string[];
  /** Prints what it has to tell of a success, as its flags want it. */
  tell: (told: Told) => Promise<void>;
}

/** A list of flags in the help of a command. */
export interface FlagSection {
  heading: string;
  flags: readonly Flag[];
  /** What stands below them. */
  note?: string;
}

/** A subcommand. */
export interface Command {
  name: string;
  summary: string;
  /** None for a command that takes no argument. */
  argument?: Argument;
  /** Without those for its output, and `--help`. */
  flags: readonly Flag[];
  /** The flags for its output. */
  output?: readonly Flag[];
  /** What stands below the usage in its help, line by line. */
  description: readonly string[];
  /** All of its flags in its help, where they are more than one list. */
  sections?: readonly FlagSection[];
  /** How it says a sentence of the API. */
  words?: Words;
  /** Whether it makes one dump after another; other commands end with theirs. */
  isRepeating?: boolean;
  /** Rejects with what is to be told. What it gives is the exit status, 0 if nothing. */
  run: (invocation: Invocation) => Promise<number | undefined> | Promise<void>;
}

/** The one that every command has. */
export const helpFlag: Flag = { name: 'help', short: 'h', help: 'show this help' };

/** Runs a command on the arguments behind its name, and gives its exit status. */
export async function invoke(
  command: Command,
  args: readonly string[],
  settings: Settings,
): Promise<number> {
  const { values, rest } = parseFlags(args, allFlags(command), {
    outer: settings.globalFlags,
    stopAtArgument: command.argument?.isProgram === true,
  });
  if (values.get(helpFlag.name) === true) {
    settings.outside.stdout.write(commandHelp(command));
    return 0;
  }
  for (const { name, isRequired, placeholder } of command.flags) {
    if (!isRequired || lastOf(values.get(name))) continue;
    throw new UsageError(`Expected --${name} ${placeholder} for ${command.name}`);
  }
  const replacing = (command.argument?.instead ?? []).filter(({ name }) => values.has(name));
  checkArguments(command, rest, replacing);
  const [argument = '', ...others] = rest;
  const invocation = { ...settings, values, argument, rest: others };
  const { outside } = settings;
  if (command.isRepeating !== true) defaultCriu().expectLast();
  return (
    (await command.run({ ...invocation, tell: (told) => tell(told, values, outside.stdout) })) ?? 0
  );
}

/** Every flag of a command. */
export function allFlags({ flags, output = [] }: Command): readonly Flag[] {
  return [...flags, ...output, helpFlag];
}

/** The flags of a command, as its help lists them. */
export function sectionsOf(command: Command): readonly FlagSection[] {
  return command.sections ?? [{ heading: 'Options:', flags: allFlags(command) }];
}

/** How the command says a sentence of the API. */
export function wordsOf({ words = apiWords }: Command): Words {
  return words;
}

/** The help of a command. */
export function commandHelp(command: Command): string {
  return renderHelp([
    { heading: 'Usage:', entries: [...usage(command), '', ...command.description] },
    ...sectionsOf(command).map(({ heading, flags, note }) => ({
      heading,
      entries: [...flagEntries(flags), ...(note === undefined ? [] : ['', note])],
    })),
  ]);
}

/** A line for each way to call a command. */
export function usage({ name, flags, output = [], argument }: Command): string[] {
  const required = flags.filter(({ isRequired }) => isRequired).map(flagTerm);
  const optional = required.length < flags.length + output.length ? ['[options]'] : [];
  const line = ['libcriu [global options]', name, ...required, ...optional].join(' ');
  if (argument === undefined) return [line];
  const { instead = [], next } = argument;
  const placeholder = [argument, ...(next ? [next] : [])].map((one) => one.placeholder).join(' ');
  return [placeholder, ...instead.map(flagTerm)].map((last) => `${line} ${last}`);
}

function checkArguments(
  { name, argument }: Command,
  args: readonly string[],
  replacing: readonly Flag[],
): void {
  const given = args.map(quoted).join(', ');
  if (argument === undefined) {
    if (args.length === 0) return;
    throw new UsageError(`Expected no argument for ${name} but received ${given}`);
  }
  const { instead = [], isProgram, next } = argument;
  const [replacement, other] = replacing.map((flag) => `--${flag.name}`);
  if (replacement !== undefined) {
    if (args.length === 0 && other === undefined) return;
    throw new UsageError(
      `Expected no argument beside ${replacement} but received ${other ?? given}`,
    );
  }
  const wanted = next === undefined ? 1 : 2;
  if (args.length === wanted || (isProgram && args.length > 1)) return;
  const exactly = next === undefined ? 'exactly one argument' : 'exactly two arguments';
  const count = isProgram ? 'an argument' : exactly;
  const meaning = [argument, ...(next ? [next] : [])].map((one) => one.meaning).join(' and ');
  const others = instead.map(({ name: flag }) => ` or --${flag}`).join('');
  throw new UsageError(
    `Expected ${count}, ${meaning},${others} for ${name} but received ${args.length}` +
      (args.length === 0 ? '' : `: ${given}`),
  );
}

/** The last of the values that a flag was given. */
export function lastOf(value: boolean | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.at(-1) : undefined;
}
