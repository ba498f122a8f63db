import { readdir, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { reason } from '../base/errors.js';
import { readFile } from '../base/files.js';
import { stageOf } from '../criu/stage.js';
import type { Outputs } from '../images/outputs.js';
import { pageSize } from '../linux/page-size.js';
import { statusBytes } from '../linux/process-status.js';
import type { DumpProgress } from '../options/dump-progress.js';
import { treeOf } from '../preflight/unrestorable.js';
import type { DumpRequest } from './request.js';

/** How often it is looked at how much has been written. */
const everyMs = 100;

/** Tells a caller how far a dump has come. What the caller's handler throws does no harm to the dump. */
export class ProgressReporter {
  readonly warnings: string[] = [];
  readonly #handler: (progress: DumpProgress) => unknown;
  readonly #images: Outputs['images'];
  readonly #start: number;
  /** Images that are older are not of this dump. */
  readonly #since = Date.now();
  readonly #pageSize = pageSize();
  readonly #countsPages: boolean;
  #progress: Omit<DumpProgress, 'elapsedMs'>;
  #isOver = false;

  constructor(
    handler: (progress: DumpProgress) => unknown,
    { options, deadline }: DumpRequest,
    { images }: Outputs,
  ) {
    this.#handler = handler;
    this.#images = images;
    this.#start = deadline.startedAt;
    this.#countsPages = options.pageServer === undefined;
    const none = this.#countsPages ? 0 : undefined;
    this.#progress = { stage: 'request', pages: none, bytes: none, expectedBytes: undefined };
  }

  /** Hears of a notification of CRIU. */
  reached(script: string): void {
    this.#tell({ stage: stageOf(script) });
  }

  /** Tells of a dump until it is over, and of one that succeeds once more with all that it has written. */
  async watch<T extends { success: boolean }>(
    { pid, options }: DumpRequest,
    dump: Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    const looking = this.#look(over.signal);
    this.#tell({});
    if (options.parentPath === undefined) {
      void residentMemory(pid).then((expectedBytes) => this.#tell({ expectedBytes }));
    }
    try {
      const outcome = await dump;
      if (outcome.success) this.#tell(await this.#written({ isComplete: true }));
      return outcome;
    } finally {
      this.#isOver = true;
      over.abort();
      await looking;
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#tell(await this.#written());
    }
  }

  /** How much CRIU has written of the memory. Until it has written all, a file can be longer than that. */
  async #written({ isComplete = false } = {}): Promise<Pick<DumpProgress, 'pages' | 'bytes'>> {
    if (!this.#countsPages) return { pages: undefined, bytes: undefined };
    const names = await readdir(this.#images.file('')).catch(() => []);
    let bytes = 0;
    for (const name of names.filter((one) => /^pages-\d+\.img$/.test(one))) {
      const stats = await stat(this.#images.file(name)).catch(() => undefined);
      if (stats === undefined || stats.mtimeMs < this.#since) continue;
      bytes += isComplete ? stats.size : Math.min(stats.size, stats.blocks * 512);
    }
    return { pages: Math.floor(bytes / this.#pageSize), bytes };
  }

  #tell(news: Partial<DumpProgress>): void {
    Object.assign(this.#progress, news);
    if (this.#isOver || this.warnings.length > 0) return;
    const elapsedMs = performance.now() - this.#start;
    try {
      const settled: unknown = this.#handler({ ...this.#progress, elapsedMs });
      if (settled instanceof Promise) settled.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.warnings.length > 0) return;
    this.warnings.push(`onProgress has failed and was not called again: ${reason(error)}`);
  }
}

/** Bytes that a process and those below it have in memory, without what is in files. */
async function residentMemory(root: number): Promise<number> {
  let bytes = 0;
  for (const pid of treeOf(root)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    bytes += statusBytes(status, 'RssAnon') + statusBytes(status, 'RssShmem');
  }
  return bytes;
}
