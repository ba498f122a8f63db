import { type Profiler, Session } from 'node:inspector';

/** The sources whose running guides. */
const guiding = /\/lib\/.*\.ts$/;

/**
 * Tells whether what has run comes to places of the sources where nothing has been before, by what V8
 * counts. A process has one of them, and measures its coverage by nothing else meanwhile.
 */
export class Guide {
  readonly #session = new Session();
  /** A byte for each character of a function: 1 where something has been. */
  readonly #seen = new Map<string, Uint8Array>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /**
   * Whether anything of what has run since the last question has come to a new place.
   *
   * @param notes - Whether it is a new one no more from now on.
   */
  hasComeFurther(notes: boolean): boolean {
    let isFurther = false;
    for (const { url, functions } of this.#take()) {
      if (!guiding.test(url)) continue;
      for (const { ranges } of functions) isFurther = this.#look(url, ranges, notes) || isFurther;
    }
    return isFurther;
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = [];
    // It answers at once.
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      taken = result;
    });
    return taken;
  }

  /**
   * Looks at the ranges of one function, of which an inner one comes after that around it. A function
   * within it is told by itself: that it is passed by does not mean that it has run.
   */
  #look(url: string, ranges: readonly Profiler.CoverageRange[], notes: boolean): boolean {
    const [{ startOffset: start, endOffset: end } = { startOffset: 0, endOffset: 0 }] = ranges;
    const been = new Uint8Array(end - start);
    for (const { startOffset, endOffset, count } of ranges) {
      been.fill(count === 0 ? 0 : 1, startOffset - start, endOffset - start);
    }
    const seen = this.#seen.get(`${url} ${start}-${end}`) ?? new Uint8Array(been.length);
    let isFurther = false;
    for (let index = 0; index < been.length; index++) {
      if (been[index] === 0 || seen[index] === 1) continue;
      isFurther = true;
      if (notes) seen[index] = 1;
    }
    if (notes) this.#seen.set(`${url} ${start}-${end}`, seen);
    return isFurther;
  }
}
