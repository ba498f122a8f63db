import type { CheckpointResult } from '../../container/checkpoint.js';
import { invalidArgValue } from '../../errors.js';
import type { CheckpointOptions } from '../../option-types.js';
import { defaultOf, type OptionRow, optionsOf } from '../../options/table.js';
import { type Command, helpFlag, type Outside } from '../command.js';
import { isOwnedByNode } from '../descriptor.js';
import { type Flag, parseFlags, quoted, UsageError } from '../flags.js';
import { flagEntries, renderHelp } from '../help.js';
import { inFlags } from '../wording.js';

const rows = optionsOf('checkpoint').filter(({ flag }) => flag !== undefined);
export const checkpointFlags: readonly Flag[] = [...rows.map(flagOf), helpFlag];

/** `libcriu checkpoint`, in the place of `runc checkpoint`. */
export const checkpointCommand: Command = {
  name: 'checkpoint',
  summary: 'save the state of a running container',

  help() {
    const isOfRunc = ({ source }: OptionRow): boolean => source.startsWith('runc ');
    return renderHelp([
      {
        heading: 'Usage:',
        entries: [
          'libcriu [global options] checkpoint [options] <container-id>',
          '',
          'Saves the state of the running container <container-id>, for runc restore to',
          'bring it back, and ends the container unless told otherwise.',
        ],
      },
      { heading: 'Options:', entries: flagEntries(rows.filter(isOfRunc).map(flagOf)) },
      {
        heading: 'Options that runc does not have:',
        entries: flagEntries([...rows.filter((row) => !isOfRunc(row)).map(flagOf), helpFlag]),
      },
    ]);
  },

  async run(args, settings) {
    const { outside, log, root, globalFlags } = settings;
    const { values, rest } = parseFlags(args, checkpointFlags, { outer: globalFlags });
    if (values.get('help') === true) {
      outside.stdout.write(checkpointCommand.help());
      return;
    }
    const [id, ...more] = rest;
    if (id === undefined || more.length > 0) {
      throw new UsageError(
        `Expected exactly one argument, the container id, for checkpoint but received ${rest.length}` +
          (rest.length === 0 ? '' : `: ${rest.map(quoted).join(', ')}`),
      );
    }
    const options = toOptions(values);
    if (root !== undefined) options.root = root;
    // runc writes into a directory whatever it holds.
    options.overwrite ||= 'reuse';
    if (typeof options.statusFd === 'number' && isOwnedByNode(options.statusFd)) {
      const { statusFd } = options;
      throw invalidArgValue(
        'statusFd',
        'a descriptor open for writing',
        statusFd,
        'it is not open',
      );
    }
    const { containerId, pid, imagePath, logFile, durationMs, warnings } = await interruptible(
      outside,
      id,
      options,
    );
    for (const warning of warnings) log.warning(warning);
    log.debug(
      `checkpoint of ${containerId} (pid ${pid}) in ${imagePath} after ${durationMs.toFixed(1)} ms, ` +
        `CRIU's log is ${logFile}`,
    );
  },
};

async function interruptible(
  { checkpoint, onInterrupt }: Outside,
  id: string,
  options: CheckpointOptions,
): Promise<CheckpointResult> {
  const controller = new AbortController();
  let signal: string | undefined;
  const stopListening = onInterrupt((name) => {
    // A second one cannot speed up what rolls back already.
    signal ??= name;
    controller.abort();
  });
  try {
    return await checkpoint(id, { ...options, signal: controller.signal });
  } catch (error) {
    if (signal === undefined || (error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
    throw new Error(`The checkpoint of ${id} was given up at ${signal}; the container goes on`, {
      cause: error,
    });
  } finally {
    stopListening();
  }
}

function flagOf(row: OptionRow): Flag {
  const placeholder = placeholderOf(row);
  const fallback = defaultOf(row, 'checkpoint') ?? row.otherwise;
  const note = fallback === undefined ? '' : ` (default: ${fallback})`;
  return {
    name: row.flag ?? row.name,
    ...(placeholder === undefined ? {} : { placeholder }),
    repeated: row.type.endsWith('[]'),
    help: inFlags(`${row.help}${note}${row.type.endsWith('[]') ? '; can be repeated' : ''}`),
  };
}

function placeholderOf({ type, placeholder, values = [] }: OptionRow): string | undefined {
  if (type === 'boolean') return undefined;
  if (placeholder !== undefined) return placeholder;
  if (type === 'enum' || type === 'enum[]') return values.join('|');
  if (type === 'address') return 'ADDRESS:PORT';
  return type === 'fileName' ? 'NAME' : 'PATH';
}

export function toOptions(values: ReadonlyMap<string, boolean | string[]>): CheckpointOptions {
  const options: Record<string, unknown> = {};
  for (const row of rows) {
    const given = values.get(row.flag ?? row.name);
    const value = Array.isArray(given) ? fromText(row, given) : given;
    if (value !== undefined) options[row.name] = value;
  }
  // The API validates them, as it does those of everybody.
  return options as CheckpointOptions;
}

/** Text to the option's JavaScript type; what the text says is the API's to judge. */
function fromText(row: OptionRow, texts: readonly string[]): unknown {
  const last = texts.at(-1) ?? '';
  switch (row.type) {
    case 'integer':
      return integer(row, last);
    case 'string[]':
    case 'path[]':
    case 'enum[]':
      return texts;
    case 'cgroupRoot[]':
      return texts.map(cgroupRoot);
    default:
      // As for runc, an empty value is none: scripts pass variables that may be unset. But images
      // must not end up somewhere else because of that.
      return last === '' && row.name !== 'imagePath' ? undefined : last;
  }
}

const multiples: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function integer({ flag, unit }: OptionRow, text: string): number {
  const [, digits, suffix = ''] = /^([+-]?\d+)([KMG]?)$/.exec(text) ?? [];
  if (digits === undefined || (suffix !== '' && unit !== 'bytes')) {
    const expected = unit === 'bytes' ? 'an integer, or one with K, M or G' : 'an integer';
    throw new UsageError(`Expected ${expected} for --${flag} but received ${quoted(text)}`);
  }
  return Number(digits) * (multiples[suffix] ?? 1);
}

function cgroupRoot(text: string): { controller?: string; path: string } {
  const [, controller, path = text] = /^(?:([^/]*):)?(\/.*)$/s.exec(text) ?? [];
  return controller === undefined ? { path } : { controller, path };
}
