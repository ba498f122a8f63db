import { restoreContainer } from '../../archive/restore-container.js';
import { inBytes } from '../../base/in-bytes.js';
import { pageSize } from '../../linux/page-size.js';
import type { RestoreContainerOptions, RestoreOptions } from '../../options/types.js';
import { restore } from '../../process/restore.js';
import { type Command, helpFlag, type Invocation } from '../command.js';
import { type Flag, UsageError } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { jsonFlag, quietFlag } from '../output.js';
import { inBrackets, inMs } from '../saving.js';
import { flagWords } from '../words.js';

const processRows = rowsOf('restore');

/** The options for a container alone. */
const containerRows = rowsOf('restoreContainer');
const ofBoth = new Set(processRows.map(({ flag }) => flag));
const ownRows = containerRows.filter(({ flag }) => !ofBoth.has(flag));
const words = flagWords([...processRows, ...ownRows], {
  id: 'DIR',
  imagePath: 'DIR',
  stateRoot: '--root',
});
const ofProcess = processRows.map((row) => flagOf(row, 'restore', words));
const ofContainer = ownRows.map((row) => flagOf(row, 'restoreContainer', words));

/** On a terminal, too, a pid is what may be asked for. */
const output: readonly Flag[] = [
  jsonFlag,
  { ...quietFlag, help: 'print the pid alone, as where no terminal is' },
];

/** `libcriu restore`: brings back a process, or, with `--from`, a container. */
export const restoreCommand: Command = {
  name: 'restore',
  summary: 'bring back a process from its images, or a container from its checkpoint',
  argument: {
    placeholder: 'DIR',
    meaning: 'the directory of the images',
    completes: 'directory',
  },
  flags: [...ofProcess, ...ofContainer],
  output,
  description: [
    'Brings back the processes that dump, or run --snapshot, has saved in DIR, and',
    'prints the pid of the first. They go on when the command has ended.',
    '',
    'With --from FILE it brings back a container, by runc or crun, and DIR is the',
    'name that it gets.',
  ],
  sections: [
    { heading: 'Options:', flags: [...ofProcess, ...output, helpFlag] },
    { heading: 'Options for a container:', flags: ofContainer },
  ],
  words,

  async run(invocation) {
    const { values } = invocation;
    if (values.has('from')) return await restoreContainerFrom(invocation);
    const needless = ownRows.find(({ flag }) => values.has(flag ?? ''));
    if (needless !== undefined) throw new UsageError(`--${needless.flag} needs --from`);
    await restoreProcess(invocation);
  },
};

async function restoreProcess({ values, argument, outside, log, tell }: Invocation): Promise<void> {
  const options: RestoreOptions = toOptions(processRows, values);
  const givenUp = (signal: string): string =>
    `The restore of ${argument} was given up at ${signal}, and nothing of it is left`;
  const result = await interruptible(outside, givenUp, (signal) =>
    restore(argument, { ...options, signal }),
  );
  const { pid, logFile, durationMs, stats, warnings } = result;
  const size = stats && `${inBytes(stats.pagesRestored * pageSize())} of memory`;
  await tell({
    result,
    text: `${pid}\n`,
    line: `${argument} runs again as process ${pid} ${inBrackets(size, inMs(durationMs))}`,
  });
  for (const warning of warnings) log.warning(warning);
  log.debug(`restored process ${pid} after ${durationMs.toFixed(1)} ms, CRIU's log is ${logFile}`);
}

async function restoreContainerFrom(invocation: Invocation): Promise<void> {
  const { values, argument: id, outside, log, root, tell } = invocation;
  const taken = new Set(containerRows.map(({ flag }) => flag));
  const needless = processRows.find(({ flag = '' }) => values.has(flag) && !taken.has(flag));
  if (needless !== undefined) {
    throw new UsageError(`--${needless.flag} is for a process, and --from for a container`);
  }
  const options: RestoreContainerOptions = toOptions(containerRows, values);
  if (root !== undefined) options.stateRoot = root;
  // What has been made of the checkpoint is taken away again.
  const givenUp = (signal: string): string =>
    `The restore of ${id} was given up at ${signal}, and nothing of it is left`;
  const result = await interruptible(outside, givenUp, (signal) =>
    restoreContainer(id, { ...options, signal }),
  );
  const { pid, bundle, logFile, warnings, durationMs } = result;
  for (const warning of warnings) log.warning(warning);
  await tell({
    result,
    text: `${pid}\n`,
    line: `${id} runs again as process ${pid}, with the bundle ${bundle} ${inBrackets(inMs(durationMs))}`,
  });
  log.debug(
    `restored container ${id} (pid ${pid}) with the bundle ${bundle} after ${durationMs.toFixed(1)} ms, ` +
      `CRIU's log is ${logFile}`,
  );
}
