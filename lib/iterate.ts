import { checkpoint } from './archive/checkpoint.js';
import { invalidArgType, invalidArgValue, unknownOption } from './base/errors.js';
import { checkCount } from './base/numbers.js';
import { option, sentence } from './base/sentence.js';
import type { CheckpointResult } from './container/checkpoint.js';
import { validateId } from './container/state/id.js';
import { type DecidedOption, decidedOptions } from './iteration/decided.js';
import { type IterationOperations, Loop, type LoopSettings } from './iteration/loop.js';
import type { Iteration } from './iteration/result.js';
import type { Call } from './options/schema.js';
import { iterationTable, optionTable } from './options/table.js';
import type { CheckpointOptions, DumpOptions, PreDumpOptions } from './options/types.js';
import { checkTarget, type UnitTarget } from './options/unit-target.js';
import { validateOptions } from './options/validate.js';
import { dump, preDump } from './process/dump.js';

/** What an iteration takes beside the options of its final dump. */
export interface IterateSettings {
  /**
   * Directory for the images of all rounds: the pre-dumps go into `1`, `2` and so on below it, the
   * final dump into `final`. It must be empty or missing.
   *
   * @defaultValue './checkpoint'
   */
  imagePath?: string | undefined;
  /**
   * The most pre-dumps that are made. From 1 to 1000.
   *
   * @defaultValue 8
   */
  maxIterations?: number | undefined;
  /**
   * The final dump is made when it is expected to write its memory within this time, in
   * milliseconds. From 0 to 2147483647.
   *
   * @defaultValue 100
   */
  targetFrozenMs?: number | undefined;
  /**
   * The final dump is made when a pre-dump had no more pages than these to write.
   *
   * @defaultValue 64
   */
  targetPages?: number | undefined;
  /** As {@link PreDumpOptions.preDumpMode}. */
  preDumpMode?: 'splice' | 'read' | undefined;
}

/** Options of {@link iterate} for a process. `timeoutMs` is for each round, `signal` for all. */
export interface IterateOptions
  extends IterateSettings,
    Omit<DumpOptions, DecidedOption | keyof IterateSettings> {}

/** Options of {@link iterate} for a container. `timeoutMs` is for each round, `signal` for all. */
export interface IterateContainerOptions
  extends IterateSettings,
    Omit<CheckpointOptions, DecidedOption | keyof IterateSettings> {}

/**
 * Saves a process or container with a short freeze: its memory in pre-dumps while it runs, each
 * writing what has changed since the one before, then the rest in a final dump.
 *
 * @example
 * ```ts
 * const iteration = iterate('web', { imagePath: '/var/lib/ckpt/web', targetFrozenMs: 50 });
 * for await (const { iteration: number, pagesWritten } of iteration) {
 *   console.log(number, pagesWritten);
 * }
 * const { final } = await iteration.result; // runc restore --image-path final.imagePath
 * ```
 * @param target - The id of a process, a service of systemd, or the id of a container as a string.
 * @throws TypeError, RangeError at once for a bad target or option. The loop's steps reject as
 * {@link checkpoint} and {@link dump} do.
 */
export function iterate(target: number | UnitTarget, options?: IterateOptions): Iteration;
export function iterate(
  target: string,
  options?: IterateContainerOptions,
): Iteration<CheckpointResult>;
export function iterate(
  target: number | string | UnitTarget,
  options: IterateOptions | IterateContainerOptions = {},
): Iteration {
  const settings = readSettings(options);
  const operations =
    typeof target === 'string'
      ? containerOperations(target, options)
      : processOperations(target, options);
  return new Loop(settings, operations);
}

const settingNames = iterationTable.map(({ name }) => name);
/** What is for the final dump alone, though a pre-dump of a container would take some of it. */
const finalOnly: readonly string[] = [
  'leaveRunning',
  'leaveStopped',
  'allowUnrestorable',
  'lazyPages',
  'pageServer',
  'statusFd',
  'profile',
  'tar',
];

function readSettings(options: unknown): LoopSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name of decidedOptions) {
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    throw unknownOption(name, 'an option of iterate', 'iterate decides it itself');
  }
  if ((options as CheckpointOptions).inEngine !== undefined) {
    const reason = 'an engine takes the images of one directory, and iterate makes several';
    throw unknownOption('inEngine', 'an option of iterate', reason);
  }
  if ((options as CheckpointOptions).export !== undefined) {
    const reason = 'an archive has the images of one directory, and iterate makes several';
    throw unknownOption('export', 'an option of iterate', reason);
  }
  const { imagePath } = options as IterateSettings;
  const { pageServer, lazyPages } = options as DumpOptions;
  if (pageServer !== undefined && lazyPages !== true) {
    const reason = 'a page server takes the memory of one round only';
    const expected = sentence`nothing without ${option('lazyPages')}`;
    throw invalidArgValue('pageServer', expected, pageServer, reason);
  }
  return {
    imagePath: validateOptions('dump', { imagePath }).imagePath,
    maxIterations: setting('maxIterations', options),
    targetFrozenMs: setting('targetFrozenMs', options),
    targetPages: setting('targetPages', options),
  };
}

function setting(name: keyof IterateSettings, options: IterateSettings): number {
  const row = iterationTable.find((one) => one.name === name);
  if (row === undefined) throw new Error(`No setting of iterate is called ${name}`);
  return checkCount(name, options[name], row.min, row.max) ?? row.default;
}

function processOperations(given: unknown, options: IterateOptions): IterationOperations {
  const expected = 'the id of a process as a number or of a container as a string';
  const target = checkTarget(given, 'target', expected);
  const { preDumpMode, ...rest } = options;
  const final = validateOptions('dump', without(rest, settingNames));
  const round = validateOptions('preDump', { ...optionsFor('preDump', rest), preDumpMode });
  return {
    wait: final.wait,
    signal: final.signal,
    preDump: (place) => preDump(target, { ...round, ...place }),
    dump: (place) => dump(target, { ...final, ...place }),
  };
}

function containerOperations(id: string, options: IterateContainerOptions): IterationOperations {
  validateId(id);
  const { preDumpMode, ...rest } = options;
  const dump = validateOptions('checkpoint', without(rest, settingNames));
  const preDump = validateOptions('checkpoint', {
    ...optionsFor('checkpoint', rest),
    preDumpMode,
    preDump: true,
  });
  return {
    wait: dump.wait,
    signal: dump.signal,
    preDump: (place) => checkpoint(id, { ...preDump, ...place }),
    dump: (place) => checkpoint(id, { ...dump, ...place }),
  };
}

function without(options: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}

/** Of the final dump's options those that a round takes too. */
function optionsFor(call: Call, options: object): Record<string, unknown> {
  const names = optionTable.filter(({ calls }) => calls.includes(call)).map(({ name }) => name);
  const fitting = Object.entries(options).filter(([name]) => names.includes(name));
  return without(Object.fromEntries(fitting), finalOnly);
}
