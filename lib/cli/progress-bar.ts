import type { SingleBar } from 'cli-progress';
import { inBytes } from '../base/in-bytes.js';
import type { DumpProgress } from '../options/dump-progress.js';
import type { Sink } from './messages.js';

/** What is over sooner has no bar. */
const patienceMs = 500;

/** Shows on a terminal how much of the memory has been written. */
export class ProgressBar {
  readonly #terminal: NodeJS.WritableStream;
  #bar: SingleBar | undefined;
  #isLoading = false;
  #isOver = false;

  /** @param terminal - A terminal. */
  constructor(terminal: Sink) {
    this.#terminal = terminal as unknown as NodeJS.WritableStream;
  }

  /** The option `onProgress`. */
  readonly show = ({ stage, bytes, expectedBytes, elapsedMs }: DumpProgress): void => {
    if (bytes === undefined || expectedBytes === undefined || elapsedMs < patienceMs) return;
    if (this.#bar === undefined) {
      this.#load();
      return;
    }
    // Somewhat less is written than there is, and more if it grows meanwhile.
    this.#bar.setTotal(Math.max(expectedBytes, bytes));
    this.#bar.update(bytes, { stage, written: inBytes(bytes), of: inBytes(expectedBytes) });
  };

  /** Takes the bar away. */
  end(): void {
    this.#isOver = true;
    this.#bar?.stop();
  }

  #load(): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    void import('cli-progress').then(({ default: { Presets, SingleBar } }) => {
      if (this.#isOver) return;
      const settings = {
        format: '{bar} {percentage} % | {written} of {of} | {stage}',
        stream: this.#terminal,
        clearOnComplete: true,
        hideCursor: true,
      };
      this.#bar = new SingleBar(settings, Presets.shades_classic);
      this.#bar.start(1, 0, { stage: '', written: '', of: '' });
    });
  }
}
