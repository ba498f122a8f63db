import { join } from 'node:path';
import { AbortError, CriuError, withNote } from '../base/errors.js';
import { late } from '../base/late.js';
import type { LockSettings } from '../locks/lock.js';
import type { DumpResult } from '../process/dump-result.js';
import type { Iteration, IterationResult, IterationRound, IterationStop } from './result.js';

const placing = late(() => import('./place.js'));

/** The options of one round: where it writes, and after which round it comes. */
type RoundPlace = { imagePath: string; parentPath?: string };

/** What the loop calls to save the process or container. */
export interface IterationOperations extends Pick<LockSettings, 'wait' | 'signal'> {
  preDump(place: RoundPlace): Promise<DumpResult>;
  dump(place: RoundPlace): Promise<DumpResult>;
}

/** The checked settings that decide when the loop ends. */
export interface LoopSettings {
  imagePath: string;
  maxIterations: number;
  targetFrozenMs: number;
  targetPages: number;
}

/** Makes one pre-dump a step, and the final dump in the last. */
export class Loop implements Iteration {
  readonly result: Promise<IterationResult>;
  readonly #steps: AsyncGenerator<IterationRound, IterationResult, undefined>;
  readonly #settings: LoopSettings;
  readonly #operations: IterationOperations;
  readonly #rounds: IterationRound[] = [];
  readonly #directories: string[] = [];
  /** When the first step began. */
  #start: number | undefined;
  #settle!: (result: IterationResult) => void;
  #fail!: (error: unknown) => void;

  constructor(settings: LoopSettings, operations: IterationOperations) {
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
    const { openBase } = await placing();
    const base = await openBase(imagePath, this.#operations);
    try {
      return yield* this.#loop(maxIterations);
    } finally {
      if (this.#directories.length === 0) await base.discard([]);
      base.close();
    }
  }

  async *#loop(maxIterations: number): AsyncGenerator<IterationRound, IterationResult, undefined> {
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

  #place(name: string): RoundPlace {
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
