import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { CriuError, sentenceOf } from '../base/errors.js';
import { apiWords, textOf } from '../base/sentence.js';
import { nearest } from '../options/suggest.js';
import {
  type Command,
  commandHelp,
  invoke,
  type Outside,
  type Settings,
  wordsOf,
} from './command.js';
import { commands } from './commands.js';
import { parseFlags, quoted, UsageError } from './flags.js';
import { globalFlags } from './global-flags.js';
import { flagEntries, renderHelp } from './help.js';
import { Log, type LogFormat, type Sink } from './messages.js';

/**
 * Runs the command.
 *
 * @param argv - Its arguments, without the program.
 * @returns The exit status, 0 or 1; everything that is to be said has been said.
 */
export async function run(argv: readonly string[], outside: Outside): Promise<number> {
  // This log is used until the flags that say where to log are understood.
  let log = new Log({ stderr: outside.stderr });
  let close = (): void => {};
  let isDebug = false;
  let words = apiWords;
  try {
    const { values, rest } = parseFlags(argv, globalFlags, { stopAtArgument: true });
    const value = (name: string): string | undefined => {
      const given = values.get(name);
      return Array.isArray(given) ? given.at(-1) : undefined;
    };
    if (values.get('version') === true) {
      outside.stdout.write(`libcriu version ${outside.version}\n`);
      return 0;
    }
    const [name, ...args] = rest;
    if (name === undefined || values.get('help') === true) {
      outside.stdout.write(help());
      return 0;
    }
    isDebug = values.get('debug') === true;
    const format = logFormat(value('log-format'));
    const path = value('log') ?? '';
    if (path !== '') {
      const file = openLog(path);
      close = file.close;
      log = new Log({ stderr: outside.stderr, file, format, debug: isDebug });
    } else {
      log = new Log({ stderr: outside.stderr, format, debug: isDebug });
    }
    const settings: Settings = {
      outside,
      log,
      root: stateRoot(value('root')),
      globalFlags,
      commands,
    };
    if (name === 'help' || name === 'h') {
      const [topic] = args;
      outside.stdout.write(topic === undefined ? help() : commandHelp(commandNamed(topic)));
      return 0;
    }
    const command = commandNamed(name);
    words = wordsOf(command);
    return await invoke(command, args, settings);
  } catch (error) {
    log.error(textOf(sentenceOf(error), words));
    if (isDebug) for (const line of details(error)) log.debug(line);
    return 1;
  } finally {
    close();
  }
}

function commandNamed(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command) return command;
  const meant = nearest(
    name,
    commands.map((candidate) => candidate.name),
  );
  const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
  throw new UsageError(`There is no command ${quoted(name)}${hint}`);
}

function help(): string {
  return renderHelp([
    {
      heading: 'Usage:',
      entries: [
        'libcriu [global options] <command> [options] [arguments]',
        '',
        'Checkpoints containers, in the place of runc.',
      ],
    },
    {
      heading: 'Commands:',
      entries: [
        ...commands.map(({ name, summary }) => [name, summary] as const),
        ['help', 'show this help, or that of a command'],
      ],
    },
    { heading: 'Global options:', entries: flagEntries(globalFlags) },
  ]);
}

function logFormat(value = 'text'): LogFormat {
  if (value === 'text' || value === 'json') return value;
  // An empty value means the default, as it does for runc.
  if (value === '') return 'text';
  throw new UsageError(`Expected 'text' or 'json' for --log-format but received ${quoted(value)}`);
}

function stateRoot(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const root = resolve(value);
  // runc refuses / too: below it the id would name a directory of the system.
  if (value === '' || root === '/') {
    throw new UsageError(`Expected a directory below / for --root but received ${quoted(value)}`);
  }
  return root;
}

function openLog(path: string): Sink & { close: () => void } {
  let fd: number;
  try {
    fd = openSync(path, 'a', 0o644);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `Expected a file that can be written for --log but received ${quoted(path)}: ${code}`,
    );
  }
  return { write: (text) => writeSync(fd, text), close: () => closeSync(fd) };
}

/** What `--debug` tells about an error. */
function details(error: unknown): string[] {
  if (error instanceof CriuError) {
    const { code, stage, errno, log, logFile } = error;
    return [
      ...log.map((line) => `criu: ${line}`),
      `${code}${stage === undefined ? '' : ` at stage ${stage}`}` +
        `${errno === undefined ? '' : `, errno ${errno}`}`,
      ...(logFile === undefined ? [] : [`CRIU's log is ${logFile}`]),
    ];
  }
  return error instanceof Error && !(error instanceof UsageError) ? [error.stack ?? ''] : [];
}
