import type { Call } from '../../options/schema.js';
import type { PreDumpOptions } from '../../options/types.js';
import { preDump } from '../../process/dump.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { processArgument, processNames, targetOf, unitFlag } from '../process-target.js';
import { tellSaved, withBar } from '../saving.js';
import { flagWords } from '../words.js';

const call: Call = 'preDump';
/** A pre-dump has no lazy pages that it could serve. */
const rows = rowsOf(call).map((row) =>
  row.name === 'pageServer' ? { ...row, help: 'page server that takes the memory' } : row,
);
const words = flagWords(rows, processNames);

/** `libcriu pre-dump`: saves the memory of a process, which runs on. */
export const preDumpCommand: Command = {
  name: 'pre-dump',
  summary: 'save the memory of a process that runs on, before a dump',
  argument: processArgument,
  flags: [unitFlag, ...rows.map((row) => flagOf(row, call, words))],
  output: outputFlags,
  description: [
    'Saves the memory of the process <pid> and its children, which run on. A dump',
    'whose --parent-path names these images then saves only what has changed. For a',
    'container, write checkpoint --pre-dump; for all rounds at once, iterate.',
  ],
  words,

  async run(invocation) {
    const { values, argument, outside } = invocation;
    const options: PreDumpOptions = toOptions(rows, values);
    const advice = 'for a container, write checkpoint --pre-dump';
    const { target, what } = targetOf(values, argument, advice);
    const givenUp = (signal: string): string =>
      `The pre-dump of ${what} was given up at ${signal}; the processes go on`;
    const result = await withBar(invocation, (hearing) =>
      interruptible(outside, givenUp, (signal) =>
        preDump(target, { ...options, ...hearing, signal }),
      ),
    );
    await tellSaved(
      invocation,
      `The memory of ${what}`,
      `pre-dump of process ${result.pid}`,
      result,
    );
  },
};
