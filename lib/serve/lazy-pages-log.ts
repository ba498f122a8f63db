import { createReadStream } from 'node:fs';
import { closeFd, openFd } from '../base/files.js';
import { pageSize } from '../linux/page-size.js';

/** How many memory pages the restored tasks have and lack. */
export interface LazyPagesProgress {
  /** All of them; 0 before a restore has begun. */
  total: number;
  served: number;
  left: number;
}

const foundPages = /Found (\d{1,15}) pages to be handled by UFFD/;
const copiedBytes = /uffd_copy: 0x[0-9a-f]{1,16}\/(\d{1,15})(?!\d)/;
/** Counts in the growing log of a lazy-pages daemon, which tells its progress nowhere else. */
export class LazyPagesLog {
  readonly #path: string;
  readonly #pageSize: number = pageSize();
  #offset = 0;
  #rest = '';
  #progress: LazyPagesProgress = { total: 0, served: 0, left: 0 };
  /** The reading under way; only one reads at a time. */
  #reading: Promise<unknown> = Promise.resolve();
  #isFinished = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** What the log says up to now. */
  async read(): Promise<LazyPagesProgress> {
    const reading = this.#reading.then(() => (this.#isFinished ? undefined : this.#readOn()));
    this.#reading = reading.catch(() => {});
    await reading;
    return { ...this.#progress };
  }

  /** Reads it to its end; afterwards it is not looked at again. */
  async finish(): Promise<void> {
    await this.read().catch(() => {});
    this.#isFinished = true;
  }

  async #readOn(): Promise<void> {
    const fd = await openFd(this.#path, 'r').catch(() => undefined);
    if (fd === undefined) return;
    try {
      const settings = { fd, encoding: 'latin1', start: this.#offset, autoClose: false } as const;
      for await (const text of createReadStream('', settings)) {
        this.#offset += (text as string).length;
        this.#count(text as string);
      }
    } finally {
      await closeFd(fd);
    }
  }

  #count(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    let { total, served } = this.#progress;
    for (const line of lines) {
      total += Number(foundPages.exec(line)?.[1] ?? 0);
      served += Number(copiedBytes.exec(line)?.[1] ?? 0) / this.#pageSize;
    }
    this.#progress = { total, served, left: Math.max(0, total - served) };
  }
}
