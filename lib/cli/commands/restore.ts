import type { RestoreOptions } from '../../options/types.js';
import type { Command } from '../command.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { flagWords } from '../words.js';

const rows = rowsOf('restore');
const words = flagWords(rows, { imagePath: 'DIR' });

/** `libcriu restore`: brings back a process. */
export const restoreCommand: Command = {
  name: 'restore',
  summary: 'bring back a process from its images',
  argument: { placeholder: 'DIR', meaning: 'the directory of the images' },
  flags: rows.map((row) => flagOf(row, 'restore', words)),
  description: [
    'Brings back the processes that dump, or run --snapshot, has saved in DIR, and',
    'prints the pid of the first. They go on when the command has ended.',
  ],
  words,

  async run({ values, argument: directory, outside, log }) {
    // The operation is loaded only now, so that help and errors are there at once.
    const { restore } = await import('../../process/restore.js');
    const options: RestoreOptions = toOptions(rows, values);
    const { pid, logFile, durationMs } = await restore(directory, options);
    outside.stdout.write(`${pid}\n`);
    log.debug(
      `restored process ${pid} after ${durationMs.toFixed(1)} ms, CRIU's log is ${logFile}`,
    );
  },
};
