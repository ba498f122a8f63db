import type { RestoreOptions } from '../../options/types.js';
import { type Command, helpFlag } from '../command.js';
import { type Flag, parseFlags, quoted, UsageError } from '../flags.js';
import { flagEntries, renderHelp } from '../help.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';

const rows = rowsOf('restore');
const flags: readonly Flag[] = [...rows.map((row) => flagOf(row, 'restore')), helpFlag];

/** `libcriu restore`: brings back a process. */
export const restoreCommand: Command = {
  name: 'restore',
  summary: 'bring back a process from its images',

  help() {
    return renderHelp([
      {
        heading: 'Usage:',
        entries: [
          'libcriu [global options] restore [options] DIR',
          '',
          'Brings back the processes that dump, or run --snapshot, has saved in DIR, and',
          'prints the pid of the first. They go on when the command has ended.',
        ],
      },
      { heading: 'Options:', entries: flagEntries(flags) },
    ]);
  },

  async run(args, { outside, log, globalFlags }) {
    const { values, rest } = parseFlags(args, flags, { outer: globalFlags });
    if (values.get('help') === true) {
      outside.stdout.write(restoreCommand.help());
      return;
    }
    const [directory, ...more] = rest;
    if (directory === undefined || more.length > 0) {
      throw new UsageError(
        `Expected exactly one argument, the directory of the images, for restore but received ${rest.length}` +
          (rest.length === 0 ? '' : `: ${rest.map(quoted).join(', ')}`),
      );
    }
    // Loaded when it is needed, as the addon is.
    const { restore } = await import('../../process/restore.js');
    const options: RestoreOptions = toOptions(rows, values);
    const { pid, logFile, durationMs } = await restore(directory, options);
    outside.stdout.write(`${pid}\n`);
    log.debug(
      `restored process ${pid} after ${durationMs.toFixed(1)} ms, CRIU's log is ${logFile}`,
    );
  },
};
