import type { Writable } from 'node:stream';
import { invalidArgValue } from '../../base/errors.js';
import type { CheckpointResult } from '../../container/checkpoint.js';
import type { OptionRow } from '../../options/schema.js';
import type { CheckpointOptions } from '../../options/types.js';
import { type Argument, type Command, helpFlag, type Outside } from '../command.js';
import { isOwnedByNode } from '../descriptor.js';
import { type Flag, UsageError } from '../flags.js';
import { flagEntries } from '../help.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags, refuseBesideJson, saving } from '../saving.js';
import { flagWords } from '../words.js';

const rows = rowsOf('checkpoint');
/** Defaults that the command does not share with the API: runc writes into whatever is there. */
const ownDefaults: Readonly<Record<string, string>> = { existing: 'reuse' };
/** The argument of those commands that are for a container. */
export const containerArgument: Argument = {
  placeholder: '<container-id>',
  meaning: 'the container id',
};
/** What every command for a container calls in its own way. */
export const containerNames: Readonly<Record<string, string>> = {
  id: containerArgument.placeholder,
  stateRoot: '--root',
};
const words = flagWords(rows, containerNames);
export const checkpointFlags: readonly Flag[] = rows.map(toFlag);
const isOfRunc = ({ source }: OptionRow): boolean => source.startsWith('runc ');

/** `libcriu checkpoint`, in the place of `runc checkpoint`. */
export const checkpointCommand: Command = {
  name: 'checkpoint',
  summary: 'save the state of a running container',
  argument: containerArgument,
  flags: [...checkpointFlags, ...outputFlags],
  description: [
    'Saves the state of the running container <container-id>, for runc restore to',
    'bring it back, and ends the container unless told otherwise.',
  ],
  sections: [
    { heading: 'Options:', entries: flagEntries(rows.filter(isOfRunc).map(toFlag)) },
    {
      heading: 'Options that runc does not have:',
      entries: flagEntries([
        ...rows.filter((row) => !isOfRunc(row)).map(toFlag),
        ...outputFlags,
        helpFlag,
      ]),
    },
  ],
  words,

  async run(invocation) {
    const { outside, log, root, values, argument: id } = invocation;
    const options: CheckpointOptions = { ...ownDefaults, ...checkpointOptions(values) };
    if (root !== undefined) options.stateRoot = root;
    if (options.export === '-') {
      refuseBesideJson(invocation, '--export -');
      options.export = archiveStream(outside);
    }
    refuseDescriptorOfNode(options.statusFd);
    const result = await saving(id, invocation, (onProgress) =>
      interruptible(outside, id, onProgress === undefined ? options : { ...options, onProgress }),
    );
    const { containerId, pid, imagePath, logFile, durationMs, warnings } = result;
    for (const warning of warnings) log.warning(warning);
    const place = imagePath === '' ? 'a stream' : imagePath;
    const toldLog = logFile === '' ? '' : `, CRIU's log is ${logFile}`;
    log.debug(
      `checkpoint of ${containerId} (pid ${pid}) in ${place} after ${durationMs.toFixed(1)} ms${toldLog}`,
    );
  },
};

/** Standard output, which `-` stands for. */
export function archiveStream({ output }: Outside): Writable {
  if (output !== undefined) return output;
  throw new UsageError('Refused to write an archive to a terminal: give the name of a file');
}

export function refuseDescriptorOfNode(fd: number | undefined): void {
  if (typeof fd !== 'number' || !isOwnedByNode(fd)) return;
  throw invalidArgValue('statusFd', 'a descriptor open for writing', fd, 'it is not open');
}

async function interruptible(
  { checkpoint, onInterrupt }: Outside,
  id: string,
  options: CheckpointOptions,
): Promise<CheckpointResult> {
  const controller = new AbortController();
  let signal: string | undefined;
  const stopListening = onInterrupt((name) => {
    // A second signal cannot speed up a roll-back that is under way.
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
  const shown = ownDefault === undefined ? row : { ...row, default: ownDefault };
  return flagOf(shown, 'checkpoint', words);
}

/** The API validates them, as it does those of everybody. */
export function checkpointOptions(
  values: ReadonlyMap<string, boolean | string[]>,
): CheckpointOptions {
  return toOptions(rows, values);
}
