import type { Call } from '../../options/schema.js';
import type { DumpOptions } from '../../options/types.js';
import { dump } from '../../process/dump.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { processArgument, processNames, targetOf, unitFlag } from '../process-target.js';
import { tellSaved, withBar } from '../saving.js';
import { flagWords } from '../words.js';
import { refuseDescriptorOfNode } from './checkpoint.js';

const call: Call = 'dump';
const rows = rowsOf(call);
const words = flagWords(rows, processNames);

/** `libcriu dump`: saves a process, or a service of systemd. */
export const dumpCommand: Command = {
  name: 'dump',
  summary: 'save the state of a process, or of a service of systemd',
  argument: processArgument,
  flags: [unitFlag, ...rows.map((row) => flagOf(row, call, words))],
  output: outputFlags,
  description: [
    'Saves the process <pid> and its children, for restore to bring them back, and',
    'ends them unless told otherwise.',
  ],
  words,

  async run(invocation) {
    const { values, argument, outside } = invocation;
    const options: DumpOptions = toOptions(rows, values);
    refuseDescriptorOfNode(options.statusFd);
    const { target, what } = targetOf(values, argument);
    const givenUp = (signal: string): string =>
      `The dump of ${what} was given up at ${signal}; the processes go on`;
    const result = await withBar(invocation, (hearing) =>
      interruptible(outside, givenUp, (signal) => dump(target, { ...options, ...hearing, signal })),
    );
    await tellSaved(invocation, what, `dump of process ${result.pid}`, result);
  },
};
