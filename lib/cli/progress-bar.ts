import type { Options, SingleBar } from 'cli-progress';
import { inBytes } from '../base/in-bytes.js';
import type { Stage } from '../base/stage.js';
import type { DumpProgress } from '../options/dump-progress.js';
import type { Sink } from './messages.js';

/** What is over sooner has no bar. */
const patienceMs = 500;

/** What CRIU does after a notification, for those who do not know its notifications. */
const words: { readonly [stage in Stage]?: string } = {
  freeze: 'stopping the processes',
  networkLock: 'looking at the processes',
  queryExtFiles: 'saving',
  archive: 'writing the archive',
};

/** Shows on a terminal how much of the memory has been written. */
export class ProgressBar {
  readonly #terminal: NodeJS.WritableStream;
  #SingleBar: typeof SingleBar | undefined;
  #bar: SingleBar | undefined;
  #isLoading = false;
  #isOver = false;

  /** @param terminal - A terminal. */
  constructor(terminal: Sink) {
    this.#terminal = terminal as unknown as NodeJS.WritableStream;
  }

  /** The option `onProgress`. */
  readonly show = ({ stage, bytes, expectedBytes, elapsedMs }: DumpProgress): void => {
    if (this.#isOver || elapsedMs < patienceMs) return;
    if (bytes === undefined || expectedBytes === undefined) return;
    if (this.#SingleBar === undefined) {
      this.#load();
      return;
    }
    // Somewhat less is written than there is, and more if it grows meanwhile.
    const total = Math.max(expectedBytes, bytes);
    const doing = words[stage] ?? (bytes === 0 ? 'beginning' : 'finishing');
    const told = { doing, written: inBytes(bytes), of: inBytes(expectedBytes) };
    if (this.#bar === undefined) {
      this.#bar = new this.#SingleBar(settings(this.#terminal));
      this.#bar.start(total, bytes, told);
      return;
    }
    this.#bar.setTotal(total);
    this.#bar.update(bytes, told);
  };

  /** Takes the bar away. */
  end(): void {
    this.#isOver = true;
    this.#bar?.stop();
  }

  #load(): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    void import('cli-progress').then(({ default: { SingleBar } }) => {
      if (!this.#isOver) this.#SingleBar = SingleBar;
    });
  }
}

function settings(stream: NodeJS.WritableStream): Options {
  return {
    format: '{bar} {percentage} % | {written} of {of} | {doing}',
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    stream,
    clearOnComplete: true,
    hideCursor: true,
  };
}
