import type { DumpOptions } from '../../options/types.js';
import type { UnitTarget } from '../../options/unit-target.js';
import { dump } from '../../process/dump.js';
import type { DumpResult } from '../../process/dump-result.js';
import { type Command, lastOf, type Outside } from '../command.js';
import { type Flag, quoted, UsageError } from '../flags.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags, saving } from '../saving.js';
import { flagWords } from '../words.js';
import { refuseDescriptorOfNode } from './checkpoint.js';

const rows = rowsOf('dump');
const unitFlag: Flag = {
  name: 'unit',
  placeholder: 'NAME',
  help: 'save the main process of this service of systemd instead',
};
const words = flagWords(rows, { pid: '<pid>', 'pid.unit': '--unit' });

/** `libcriu dump`: saves a process, or a service of systemd. */
export const dumpCommand: Command = {
  name: 'dump',
  summary: 'save the state of a process, or of a service of systemd',
  argument: { placeholder: '<pid>', meaning: 'the id of the process', instead: [unitFlag] },
  flags: [unitFlag, ...rows.map((row) => flagOf(row, 'dump', words)), ...outputFlags],
  description: [
    'Saves the process <pid> and its children, for restore to bring them back, and',
    'ends them unless told otherwise.',
  ],
  words,

  async run(invocation) {
    const { values, argument, outside, log } = invocation;
    const options: DumpOptions = toOptions(rows, values);
    refuseDescriptorOfNode(options.statusFd);
    const unit = lastOf(values.get(unitFlag.name));
    const target = unit === undefined ? pidOf(argument) : { unit };
    const what = unit ?? `process ${argument}`;
    const result = await saving(what, invocation, (onProgress) =>
      interruptible(
        outside,
        target,
        onProgress === undefined ? options : { ...options, onProgress },
      ),
    );
    const { pid, imagePath, logFile, durationMs, warnings } = result;
    for (const warning of warnings) log.warning(warning);
    log.debug(
      `dump of process ${pid} in ${imagePath} after ${durationMs.toFixed(1)} ms, CRIU's log is ${logFile}`,
    );
  },
};

function pidOf(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`Expected the id of a process but received ${quoted(text)}`);
}

/** A signal gives the dump up, and the processes go on. */
async function interruptible(
  { onInterrupt }: Outside,
  target: number | UnitTarget,
  options: DumpOptions,
): Promise<DumpResult> {
  const controller = new AbortController();
  const stopListening = onInterrupt(() => controller.abort());
  try {
    return await dump(target, { ...options, signal: controller.signal });
  } finally {
    stopListening();
  }
}
