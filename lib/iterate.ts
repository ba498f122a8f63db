import { join } from 'node:path';
import {
  AbortError,
  CriuError,
  invalidArgType,
  invalidArgValue,
  unknownOption,
  withNote,
} from './base/errors.js';
import { checkCount, checkPid } from './base/numbers.js';
import { option, sentence } from './base/sentence.js';
import { type CheckpointResult, checkpoint } from './container/checkpoint.js';
import { validateId } from './container/state/id.js';
import type { OperationResult } from './criu/result.js';
import { checkDirectory } from './images/directory.js';
import type { Call } from './options/schema.js';
import { optionTable } from './options/table.js';
import type { CheckpointOptions, DumpOptions, PreDumpOptions } from './options/types.js';
import { validateOptions } from './options/validate.js';
import { dump, preDump } from './process/dump.js';
import type { DumpResult } from './process/dump-result.js';

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

/** Options that the iteration decides itself. */
type Decided = 'imagePath' | 'workPath' | 'parentPath' | 'preDump' | 'existing' | 'trackMem';

/** Options of {@link iterate} for a process. `timeoutMs` is for each round, `signal` for all. */
export interface IterateOptions
  extends IterateSettings,
    Omit<DumpOptions, Decided | keyof IterateSettings> {}

/** Options of {@link iterate} for a container. `timeoutMs` is for each round, `signal` for all. */
export interface IterateContainerOptions
  extends IterateSettings,
    Omit<CheckpointOptions, Decided | keyof IterateSettings> {}

/** One pre-dump of an iteration. */
export interface IterationRound {
  /** From 1. */
  iteration: number;
  /** Absolute path of its images. */
  imagePath: string;
  /** Memory pages looked at, shared ones included, as in all of these numbers. */
  pagesScanned: number;
  /** Memory pages written. */
  pagesWritten: number;
  /** Memory pages left out because the rounds before have them as they are. */
  pagesSkipped: number;
  /** `pagesWritten` against the round before: -0.9 for a tenth of it; undefined for the first. */
  growth: number | undefined;
  /** For how long the tasks stood still in this round, in milliseconds. */
  frozenMs: number;
  /**
   * For how long they would stand still in a dump now, should as much memory have changed meanwhile
   * as did before this round: as long as they were frozen in it, and the time to write as many
   * pages. What else a dump does (descriptors, network, mounts) is not known before.
   */
  expectedFrozenMs: number;
  /** Milliseconds from the round's start to its end. */
  durationMs: number;
  /** The pre-dump as such. */
  result: DumpResult;
}

/** What ended the pre-dumps; `returned` is that of a loop that was left early. */
export type IterationStop =
  | 'targetFrozenMs'
  | 'targetPages'
  | 'notShrinking'
  | 'maxIterations'
  | 'returned';

/**
 * How an iteration ended. Its `imagePath` is the directory that holds the images of all rounds, and its
 * `durationMs` begins with the first step of the loop.
 */
export interface IterationResult<R extends DumpResult = DumpResult>
  extends Omit<OperationResult, 'logFile'> {
  /** Absolute path of CRIU's log of the last dump; undefined when the loop was left before any. */
  logFile: string | undefined;
  /** Why no further pre-dump was made. */
  stop: IterationStop;
  /** Absolute paths of the complete images, each the parent of the next, the final dump's last. */
  directories: readonly string[];
  rounds: readonly IterationRound[];
  /** The final dump, which is restored from; undefined when the loop was left before it. */
  final: R | undefined;
}

/**
 * A loop over pre-dumps. Each step makes one; when another would not help, the step after makes the
 * final dump and ends the loop. To leave the loop early leaves the tasks running and the images of
 * the rounds so far, which `result` names. A step that fails ends it too; a CriuError or AbortError has
 * them as `directories`. They are of no use as parents of a later dump then.
 */
export interface Iteration<R extends DumpResult = DumpResult>
  extends AsyncIterableIterator<IterationRound, IterationResult<R>, undefined> {
  return(): Promise<IteratorReturnResult<IterationResult<R>>>;
  [Symbol.asyncIterator](): Iteration<R>;
  /** Absolute paths of the complete images up to now, each the parent of the next. */
  readonly directories: readonly string[];
  /** How it ended, for those who loop with `for await`. Settles only if somebody loops. */
  readonly result: Promise<IterationResult<R>>;
}

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
 * @param target - The id of a process, or of a container as a string.
 * @throws TypeError, RangeError at once for a bad target or option. The loop's steps reject as
 * {@link checkpoint} and {@link dump} do.
 */
export function iterate(target: number, options?: IterateOptions): Iteration;
export function iterate(
  target: string,
  options?: IterateContainerOptions,
): Iteration<CheckpointResult>;
export function iterate(
  target: number | string,
  options: IterateOptions | IterateContainerOptions = {},
): Iteration {
  const settings = readSettings(options);
  const operations =
    typeof target === 'string'
      ? containerOperations(target, options)
      : processOperations(target, options);
  return new Loop(settings, operations);
}

/** A round's options: where it writes, and after which one it comes. */
type Place = { imagePath: string; parentPath?: string };

interface Operations {
  signal: AbortSignal | undefined;
  preDump(place: Place): Promise<DumpResult>;
  dump(place: Place): Promise<DumpResult>;
}

interface Settings {
  imagePath: string;
  maxIterations: number;
  targetFrozenMs: number;
  targetPages: number;
}

const settingNames: readonly string[] = ['maxIterations', 'targetFrozenMs', 'targetPages'];
const decided: readonly string[] = ['workPath', 'parentPath', 'preDump', 'existing', 'trackMem'];
/** What is for the final dump alone, though a pre-dump of a container would take some of it. */
const finalOnly: readonly string[] = [
  'leaveRunning',
  'leaveStopped',
  'lazyPages',
  'pageServer',
  'statusFd',
  'profile',
  'tar',
];

function readSettings(options: unknown): Settings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name of decided) {
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    throw unknownOption(name, 'an option of iterate', 'iterate decides it itself');
  }
  const { imagePath, maxIterations, targetFrozenMs, targetPages } = options as IterateSettings;
  const { pageServer, lazyPages } = options as DumpOptions;
  if (pageServer !== undefined && lazyPages !== true) {
    const reason = 'a page server takes the memory of one round only';
    const expected = sentence`nothing without ${option('lazyPages')}`;
    throw invalidArgValue('pageServer', expected, pageServer, reason);
  }
  return {
    imagePath: validateOptions('dump', { imagePath }).imagePath,
    maxIterations: checkCount('maxIterations', maxIterations, 1, 1000) ?? 8,
    targetFrozenMs: checkCount('targetFrozenMs', targetFrozenMs, 0, 0x7fff_ffff) ?? 100,
    targetPages: checkCount('targetPages', targetPages, 0, Number.MAX_SAFE_INTEGER) ?? 64,
  };
}

function processOperations(pid: unknown, options: IterateOptions): Operations {
  checkPid(pid, 'target', 'the id of a process as a number or of a container as a string');
  const { preDumpMode, ...rest } = options;
  const final = validateOptions('dump', without(rest, settingNames));
  const round = validateOptions('preDump', { ...optionsFor('preDump', rest), preDumpMode });
  return {
    signal: final.signal,
    preDump: (place) => preDump(pid, { ...round, ...place }),
    dump: (place) => dump(pid, { ...final, ...place }),
  };
}

function containerOperations(id: string, options: IterateContainerOptions): Operations {
  validateId(id);
  const { preDumpMode, ...rest } = options;
  const dump = validateOptions('checkpoint', without(rest, settingNames));
  const preDump = validateOptions('checkpoint', {
    ...optionsFor('checkpoint', rest),
    preDumpMode,
    preDump: true,
  });
  return {
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

class Loop implements Iteration {
  readonly result: Promise<IterationResult>;
  readonly #steps: AsyncGenerator<IterationRound, IterationResult, undefined>;
  readonly #settings: Settings;
  readonly #operations: Operations;
  readonly #rounds: IterationRound[] = [];
  readonly #directories: string[] = [];
  /** When the first step began. */
  #start: number | undefined;
  #settle!: (result: IterationResult) => void;
  #fail!: (error: unknown) => void;

  constructor(settings: Settings, operations: Operations) {
    this.#settings = settings;
    this.#operations = operations;
    this.#steps = this.#run();
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    // The loop itself has the same error.
    this.result.catch(() => {});
  }

  get directories(): readonly string[] {
    return [...this.#directories];
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<IterationRound, IterationResult>> {
    this.#start ??= performance.now();
    const step = await this.#steps.next().catch((error: unknown) => {
      const failure = this.#failure(error);
      this.#fail(failure);
      throw failure;
    });
    if (!step.done) return step;
    // Also when the loop is over already.
    const value = step.value ?? (await this.result);
    this.#settle(value);
    return { done: true, value };
  }

  /** Waits for the step under way; to end that, abort the signal. */
  async return(): Promise<IteratorReturnResult<IterationResult>> {
    await this.#steps.return(this.#ended('returned', undefined));
    this.#settle(this.#ended('returned', undefined));
    return { done: true, value: await this.result };
  }

  async *#run(): AsyncGenerator<IterationRound, IterationResult, undefined> {
    const { imagePath, maxIterations } = this.#settings;
    await checkDirectory('imagePath', imagePath, undefined, []);
    for (let iteration = 1; ; iteration += 1) {
      const round = await this.#round(iteration);
      yield round;
      const stop = this.#stop(round) ?? (iteration >= maxIterations ? 'maxIterations' : undefined);
      if (stop === undefined) continue;
      const final = await this.#operations.dump(this.#place('final'));
      this.#directories.push(final.imagePath);
      return this.#ended(stop, final);
    }
  }

  async #round(iteration: number): Promise<IterationRound> {
    const before = this.#rounds.at(-1);
    const result = await this.#operations.preDump(this.#place(String(iteration)));
    // Without figures nothing can be told, and the most rounds are made.
    const { stats } = result;
    const sum = (...pages: (number | undefined)[]): number =>
      pages.reduce<number>((all, some) => all + (some ?? Number.NaN), 0);
    const pagesWritten = sum(stats?.pagesWritten, stats?.shpagesWritten);
    const frozenMs = sum(stats?.freezingTimeUs, stats?.frozenTimeUs) / 1000;
    const round: IterationRound = {
      iteration,
      imagePath: result.imagePath,
      pagesScanned: sum(stats?.pagesScanned, stats?.shpagesScanned),
      pagesWritten,
      pagesSkipped: sum(stats?.pagesSkippedParent, stats?.shpagesSkippedParent),
      growth: before && (pagesWritten - before.pagesWritten) / before.pagesWritten,
      frozenMs,
      // Without the time to freeze them, which takes CRIU longer than it takes us in a dump.
      expectedFrozenMs: sum(stats?.frozenTimeUs) / 1000,
      durationMs: result.durationMs,
      result,
    };
    this.#rounds.push(round);
    this.#directories.push(result.imagePath);
    round.expectedFrozenMs += pagesWritten * this.#pageMs();
    return round;
  }

  /** The time to write a page, over all rounds: that of a few pages alone says little. */
  #pageMs(): number {
    let [pages, us] = [0, 0];
    for (const { pagesWritten, result } of this.#rounds) {
      pages += pagesWritten;
      us += result.stats?.memwriteTimeUs ?? 0;
    }
    return pages === 0 ? 0 : us / pages / 1000;
  }

  #stop({ pagesWritten, growth, expectedFrozenMs }: IterationRound): IterationStop | undefined {
    if (pagesWritten <= this.#settings.targetPages) return 'targetPages';
    if (expectedFrozenMs <= this.#settings.targetFrozenMs) return 'targetFrozenMs';
    return growth !== undefined && growth > leastShrinkage ? 'notShrinking' : undefined;
  }

  #place(name: string): Place {
    const parent = this.#rounds.at(-1)?.iteration;
    const imagePath = join(this.#settings.imagePath, name);
    return parent === undefined ? { imagePath } : { imagePath, parentPath: `../${parent}` };
  }

  #ended(stop: IterationStop, final: DumpResult | undefined): IterationResult {
    const dumps = this.#rounds.map(({ result }) => result);
    if (final) dumps.push(final);
    return {
      stop,
      imagePath: this.#settings.imagePath,
      logFile: dumps.at(-1)?.logFile,
      directories: this.directories,
      rounds: [...this.#rounds],
      final,
      warnings: dumps.flatMap(({ warnings }) => warnings),
      durationMs: performance.now() - (this.#start ?? performance.now()),
    };
  }

  /** The error of the loop for that of a step: it names this call, and what is left of it. */
  #failure(error: unknown): unknown {
    if (!(error instanceof CriuError || error instanceof AbortError)) return error;
    const { directories } = this;
    const note = directories.length === 0 ? '' : `Left of the iteration: ${directories.join(', ')}`;
    return withNote(error, note, { operation: 'iterate', directories });
  }
}

/** A round that saved no more than this against the one before has reached the rate of change. */
const leastShrinkage = -0.1;
