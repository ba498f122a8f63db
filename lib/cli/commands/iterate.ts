import { late } from '../../base/late.js';
import { printable } from '../../base/printable.js';
import type { IterateContainerOptions, IterateOptions } from '../../iterate.js';
import { optionsNotOfIterations } from '../../iteration/decided.js';
import type { Iteration, IterationRound } from '../../iteration/result.js';
import type { DumpProgress } from '../../options/dump-progress.js';
import type { OptionRow } from '../../options/schema.js';
import { iterationTable } from '../../options/table.js';
import { type Command, type Invocation, lastOf } from '../command.js';
import { type Flag, UsageError } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { isSilent, outputFlags } from '../output.js';
import { pidOf, unitFlag } from '../process-target.js';
import { barFor, inBrackets, inMs, inPause } from '../saving.js';
import { flagWords } from '../words.js';
import { containerArgument, containerNames, refuseDescriptorOfNode } from './checkpoint.js';

const iterating = late(() => import('../../iterate.js'));

const settings: readonly OptionRow[] = iterationTable.map((row) => ({
  ...row,
  calls: ['checkpoint', 'dump'],
  source: 'libcriu',
}));
const ofDump = new Set(rowsOf('dump').map(({ flag }) => flag));
const ofContainer = rowsOf('checkpoint').filter(
  ({ name }) => !optionsNotOfIterations.includes(name),
);
const known = new Set(ofContainer.map(({ name }) => name));
const ofProcess = rowsOf('dump').filter(
  ({ name }) => !optionsNotOfIterations.includes(name) && !known.has(name),
);
const rows = [...settings, ...ofContainer, ...ofProcess];

const pidFlag: Flag = { name: 'pid', placeholder: 'PID', help: 'save this process instead' };
const words = flagWords(rows, {
  ...containerNames,
  target: '--pid',
  'target.unit': '--unit',
  preDump: 'a pre-dump',
});

/** `libcriu iterate`: pre-dumps while the processes run, and then the dump. */
export const iterateCommand: Command = {
  name: 'iterate',
  summary: 'save in rounds, for which it stands still only shortly',
  argument: { ...containerArgument, instead: [pidFlag, unitFlag] },
  flags: [pidFlag, unitFlag, ...rows.map((row) => flagOf(row, 'checkpoint', words))],
  output: outputFlags,
  isRepeating: true,
  description: [
    'Saves the memory of the container <container-id>, or of a process, in pre-dumps',
    'while it runs, each with what has changed since the one before, and then the',
    'rest in a dump. They go into 1, 2 and so on below --image-path, and the dump',
    'into final, of which it is restored. The kernel has to track memory.',
  ],
  words,

  async run(invocation) {
    const { values, argument, outside, log } = invocation;
    const pid = lastOf(values.get(pidFlag.name));
    const unit = lastOf(values.get(unitFlag.name));
    refuseNeedless(values, unit === undefined && pid === undefined);
    const what = unit ?? (pid === undefined ? argument : `process ${pid}`);
    const givenUp = (signal: string): string =>
      `The iteration for ${what} was given up at ${signal}; the processes go on`;
    const result = await interruptible(outside, givenUp, async (signal) => {
      const rounds = new Rounds(invocation);
      const { iterate } = await iterating();
      const options = { ...toOptions(rows, values), ...rounds.hearing, signal };
      refuseDescriptorOfNode((options as IterateOptions).statusFd);
      if (unit !== undefined) return await rounds.follow(iterate({ unit }, options));
      if (pid !== undefined) return await rounds.follow(iterate(pidOf(pid, ' for --pid'), options));
      return await rounds.follow(iterate(argument, ofRoot(invocation, options)));
    });
    const { imagePath, rounds, final, stop, warnings, durationMs } = result;
    const pause = inPause(final?.timings.pauseMs);
    const count = rounds.length === 1 ? '1 pre-dump' : `${rounds.length} pre-dumps`;
    const place = final?.imagePath ?? imagePath;
    await invocation.tell({
      result,
      line: `${what} is saved in ${place} ${inBrackets(count, inMs(durationMs), pause)}`,
    });
    for (const warning of warnings) log.warning(warning);
    log.debug(`iteration for ${what} in ${imagePath}, ended by ${stop}`);
  },
};

/** Refuses the flags for a container beside a process, and those for a process beside a container. */
function refuseNeedless(values: Invocation['values'], isContainer: boolean): void {
  const needless = isContainer ? ofProcess : ofContainer.filter(({ flag }) => !ofDump.has(flag));
  const flag = needless.map((row) => row.flag ?? '').find((name) => values.has(name));
  if (flag === undefined) return;
  throw new UsageError(`--${flag} is for ${isContainer ? 'a process' : 'a container'} only`);
}

function ofRoot({ root }: Invocation, options: IterateContainerOptions): IterateContainerOptions {
  return root === undefined ? options : { ...options, stateRoot: root };
}

/** Tells on a terminal how far the rounds are: a bar in each that takes long, and a line at its end. */
class Rounds {
  readonly #invocation: Invocation;
  #bar: ReturnType<typeof barFor>;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
    this.#bar = barFor(invocation);
  }

  get hearing(): { onProgress?: (progress: DumpProgress) => void } {
    return this.#bar === undefined ? {} : { onProgress: (progress) => this.#bar?.show(progress) };
  }

  async follow<I extends Iteration>(iteration: I): Promise<Awaited<I['result']>> {
    try {
      for await (const round of iteration) this.#tell(round);
      return (await iteration.result) as Awaited<I['result']>;
    } finally {
      this.#bar?.end();
    }
  }

  #tell(round: IterationRound): void {
    this.#bar?.end();
    const { values, outside } = this.#invocation;
    const { stdout } = outside;
    if (stdout.isTTY === true && !isSilent(values)) stdout.write(`${printable(line(round))}\n`);
    this.#bar = barFor(this.#invocation);
  }
}

function line({ iteration, pagesWritten, growth, frozenMs, durationMs }: IterationRound): string {
  // Without CRIU's figures nothing is known of the pages.
  const pages = Number.isNaN(pagesWritten) ? undefined : `${pagesWritten} pages`;
  const change = growth === undefined || Number.isNaN(growth) ? '' : `, ${inPercent(growth)}`;
  const size = pages && `${pages}${change}`;
  return `pre-dump ${iteration} is made ${inBrackets(size, inMs(durationMs), inPause(frozenMs))}`;
}

/** `-90 %`, `+3 %`. */
function inPercent(change: number): string {
  return `${change > 0 ? '+' : ''}${(change * 100).toFixed(0)} %`;
}
