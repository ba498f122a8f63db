import { constants, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { closeFd, openFd, readFd, statFd } from '../base/files.js';
import { LogParser, type LogRecord } from './log-records.js';

/** How long a look waits for the next one when there is nothing new. */
const lookMs = 20;
const chunkBytes = 64 * 1024;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * CRIU's log of one operation, which can be read while CRIU writes it. The file is the buffer: nothing
 * that a reader does holds up CRIU, and a slow one misses nothing.
 */
export class LogFollower implements AsyncIterable<LogRecord> {
  #isWanted = false;
  #path: string | undefined;
  /** What was at the path before CRIU: the log of an earlier operation. */
  #before: Stats | undefined;
  /** What the operation has failed with. */
  #error: { cause: unknown } | undefined;
  #isOver = false;
  readonly #readers = new Set<LogReader>();

  /** Whether somebody wants to read it. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Says so. */
  wanted(): this {
    this.#isWanted = true;
    return this;
  }

  /**
   * Says where CRIU is about to write.
   *
   * @param path - One that is good until {@link detach}.
   */
  async attach(path: string): Promise<void> {
    this.#before = await stat(path).catch(() => undefined);
    this.#path = path;
  }

  /** To be called while the path is still good. Those who have begun to read go on without it. */
  async detach(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return;
    const begun = [...this.#readers].filter(({ hasBegun }) => hasBegun);
    await Promise.all(begun.map((reader) => reader.open(path)));
    if (this.#path === path) this.#path = undefined;
  }

  /**
   * Says that CRIU writes no more.
   *
   * @param path - Where the log is now, if it is kept.
   */
  succeed(path: string): void {
    this.#path ??= path;
    this.#end();
  }

  /** The same for an operation that has failed, whose error is what the readers get at the end. */
  fail(cause: unknown): void {
    const { logFile } = cause as { logFile?: unknown };
    if (typeof logFile === 'string') this.#path ??= logFile;
    this.#error = { cause };
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    for (const reader of this.#readers) reader.wake();
  }

  /** Each one reads from the beginning. */
  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord> {
    const state = {
      path: () => this.#path,
      before: () => this.#before,
      isOver: () => this.#isOver,
      error: () => this.#error,
    };
    const reader: LogReader = new LogReader(state, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }
}

/** What a reader has to know. */
interface LogState {
  path(): string | undefined;
  before(): Stats | undefined;
  isOver(): boolean;
  error(): { cause: unknown } | undefined;
}

/** Goes through a log, from its beginning to the end of the operation. */
class LogReader implements AsyncIterableIterator<LogRecord> {
  readonly #log: LogState;
  readonly #onClose: () => void;
  readonly #parser = new LogParser();
  readonly #buffer = Buffer.alloc(chunkBytes);
  readonly #decoder = new TextDecoder();
  #records: LogRecord[] = [];
  #fd: Promise<number | undefined> | undefined;
  #offset = 0;
  hasBegun = false;
  #isClosed = false;
  /** Calls follow each other, however they are made. */
  #turn: Promise<unknown> = Promise.resolve();
  #wake = (): void => {};

  constructor(log: LogState, onClose: () => void) {
    this.#log = log;
    this.#onClose = onClose;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    this.hasBegun = true;
    const next = this.#turn.then(() => this.#next());
    this.#turn = next.catch(() => {});
    return next;
  }

  async return(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#isClosed = true;
    this.wake();
    await this.#turn;
    await this.#close();
    return { done: true, value: undefined };
  }

  /** Ends a wait for something new. */
  wake(): void {
    this.#wake();
  }

  /** Opens the file if it is there; it is not looked for again. */
  async open(path: string): Promise<void> {
    if (this.#isClosed) return;
    this.#fd ??= openLog(path);
    if ((await this.#fd) === undefined) this.#fd = undefined;
  }

  async #next(): Promise<IteratorResult<LogRecord, undefined>> {
    try {
      const value = await this.#nextRecord();
      if (value !== undefined) return { done: false, value };
    } catch (error) {
      await this.#close();
      throw error;
    }
    await this.#close();
    return { done: true, value: undefined };
  }

  /** @returns undefined at the end. */
  async #nextRecord(): Promise<LogRecord | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined;
      const record = this.#records.shift();
      if (record !== undefined) return record;
      // What is written before the end is read behind it.
      const isOver = this.#log.isOver();
      const text = await this.#read();
      if (text !== '') this.#records = this.#parser.add(text);
      else if (!isOver) {
        this.#records = this.#parser.flush();
        if (this.#records.length === 0) await this.#news();
      } else {
        this.#records = this.#parser.finish();
        if (this.#records.length === 0) return this.#endOfLog();
      }
    }
  }

  #endOfLog(): undefined {
    const error = this.#log.error();
    if (error !== undefined) throw error.cause;
  }

  /** What is new in the log, or some of it. */
  async #read(): Promise<string> {
    const path = this.#log.path();
    if (this.#fd === undefined && path !== undefined) await this.open(path);
    const fd = await this.#fd;
    if (fd === undefined || this.#isClosed) return '';
    const stats = await statFd(fd);
    if (this.#offset === 0 && isSame(stats, this.#log.before())) return '';
    // CRIU begins its log anew when it is asked again.
    if (stats.size < this.#offset) this.#offset = 0;
    const { bytesRead } = await readFd(fd, this.#buffer, 0, chunkBytes, this.#offset);
    this.#offset += bytesRead;
    return this.#decoder.decode(this.#buffer.subarray(0, bytesRead), { stream: true });
  }

  async #news(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, lookMs);
      if (this.#isClosed || this.#log.isOver()) resolve();
    });
    clearTimeout(timer);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    const opened = this.#fd;
    this.#fd = undefined;
    const fd = await opened;
    if (fd !== undefined) await closeFd(fd);
  }
}

/** Opens a log, and nothing that would make us wait. */
async function openLog(path: string): Promise<number | undefined> {
  const fd = await openFd(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (fd === undefined) return undefined;
  const stats = await statFd(fd).catch(() => undefined);
  if (stats?.isFile()) return fd;
  await closeFd(fd);
  return undefined;
}

/** Whether nobody has written to a file, as far as the kernel tells. */
function isSame(now: Stats, before: Stats | undefined): boolean {
  return (
    now.dev === before?.dev &&
    now.ino === before.ino &&
    now.size === before.size &&
    now.ctimeMs === before.ctimeMs
  );
}
