/** Where text goes. */
export interface Sink {
  write(text: string): unknown;
  /** Whether somebody reads it as it comes. */
  isTTY?: boolean | undefined;
}

export type LogFormat = 'text' | 'json';
type Level = 'error' | 'warning' | 'debug';

interface LogSettings {
  stderr: Sink;
  /** The file of `--log`; without it, all goes to stderr. */
  file?: Sink | undefined;
  format?: LogFormat;
  debug?: boolean;
  now?: () => Date;
}

/** Messages in the form that runc logs them, one line each. */
export class Log {
  readonly #settings: LogSettings;
  readonly #start: number;

  constructor(settings: LogSettings) {
    this.#settings = settings;
    this.#start = this.#now().getTime();
  }

  /** What made the command fail. With a log file, stderr has the bare sentence as well. */
  error(message: string): void {
    this.#write('error', message);
    if (this.#settings.file) this.#settings.stderr.write(`${oneLine(message)}\n`);
  }

  /** What went wrong without harm to the checkpoint. */
  warning(message: string): void {
    this.#write('warning', message);
  }

  /** For `--debug`. */
  debug(message: string): void {
    if (this.#settings.debug) this.#write('debug', message);
  }

  #write(level: Level, message: string): void {
    const { file, stderr } = this.#settings;
    (file ?? stderr).write(`${this.#line(level, oneLine(message))}\n`);
  }

  #line(level: Level, msg: string): string {
    const { file, format, stderr } = this.#settings;
    const now = this.#now();
    const time = `${now.toISOString().slice(0, 19)}Z`;
    if (format === 'json') return JSON.stringify({ level, msg, time });
    if (!file && stderr.isTTY) {
      const seconds = String(Math.floor((now.getTime() - this.#start) / 1000)).padStart(4, '0');
      return `${level.toUpperCase().slice(0, 4)}[${seconds}] ${msg}`;
    }
    return `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}`;
  }

  #now(): Date {
    return (this.#settings.now ?? (() => new Date()))();
  }
}

/** A sentence stays one line, and does nothing to a terminal, whatever it quotes. */
function oneLine(text: string): string {
  return (
    text
      .replace(/\s*\n\s*/g, ' ')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to go
      .replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
      .trim()
  );
}
