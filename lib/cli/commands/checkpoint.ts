import type { Writable } from 'node:stream';
import { invalidArgValue } from '../../base/errors.js';
import type { OptionRow } from '../../options/schema.js';
import type { CheckpointOptions } from '../../options/types.js';
import { type Argument, type Command, helpFlag, type Outside } from '../command.js';
import { isOwnedByNode } from '../descriptor.js';
import { type Flag, UsageError } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { refuseBesideJson, tellSaved, withBar } from '../saving.js';
import { flagWords } from '../words.js';

const rows = rowsOf('checkpoint');
/** Defaults that the command does not share with the API: runc writes into whatever is there. */
const ownDefaults: Readonly<Record<string, string>> = { existing: 'reuse' };
/** The argument of those commands that are for a container. */
export const containerArgument: Argument = {
  placeholder: '<container-id>',
  meaning: 'the container id',
  completes: 'container',
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
  flags: checkpointFlags,
  output: outputFlags,
  description: [
    'Saves the state of the running container <container-id>, for runc restore to',
    'bring it back, and ends the container unless told otherwise.',
  ],
  sections: [
    { heading: 'Options:', flags: rows.filter(isOfRunc).map(toFlag) },
    {
      heading: 'Options that runc does not have:',
      flags: [...rows.filter((row) => !isOfRunc(row)).map(toFlag), ...outputFlags, helpFlag],
    },
  ],
  words,

  async run(invocation) {
    const { outside, root, values, argument: id } = invocation;
    const options: CheckpointOptions = { ...ownDefaults, ...checkpointOptions(values) };
    if (root !== undefined) options.stateRoot = root;
    if (options.export === '-') {
      refuseBesideJson(invocation, '--export -');
      options.export = archiveStream(outside);
    }
    refuseDescriptorOfNode(options.statusFd);
    const givenUp = (signal: string): string =>
      `The checkpoint of ${id} was given up at ${signal}; the container goes on`;
    const result = await withBar(invocation, (hearing) =>
      interruptible(outside, givenUp, (signal) =>
        outside.checkpoint(id, { ...options, ...hearing, signal }),
      ),
    );
    const { containerId, pid } = result;
    await tellSaved(invocation, id, `checkpoint of ${containerId} (pid ${pid})`, result);
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
