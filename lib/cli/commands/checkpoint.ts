import { invalidArgValue } from '../../base/errors.js';
import type { CheckpointResult } from '../../container/checkpoint.js';
import type { OptionRow } from '../../options/schema.js';
import type { CheckpointOptions } from '../../options/types.js';
import { type Command, helpFlag, type Outside } from '../command.js';
import { isOwnedByNode } from '../descriptor.js';
import { type Flag, parseFlags, quoted, UsageError } from '../flags.js';
import { flagEntries, renderHelp } from '../help.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';

const rows = rowsOf('checkpoint');
/** Defaults that the command does not share with the API: runc writes into whatever is there. */
const ownDefaults: Readonly<Record<string, string>> = { existing: 'reuse' };
export const checkpointFlags: readonly Flag[] = [...rows.map(toFlag), helpFlag];

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
      { heading: 'Options:', entries: flagEntries(rows.filter(isOfRunc).map(toFlag)) },
      {
        heading: 'Options that runc does not have:',
        entries: flagEntries([...rows.filter((row) => !isOfRunc(row)).map(toFlag), helpFlag]),
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
    const options: CheckpointOptions = { ...ownDefaults, ...checkpointOptions(values) };
    if (root !== undefined) options.stateRoot = root;
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

function toFlag(row: OptionRow): Flag {
  const { [row.name]: ownDefault } = ownDefaults;
  return flagOf(ownDefault === undefined ? row : { ...row, default: ownDefault }, 'checkpoint');
}

/** The API validates them, as it does those of everybody. */
export function checkpointOptions(
  values: ReadonlyMap<string, boolean | string[]>,
): CheckpointOptions {
  return toOptions(rows, values);
}
