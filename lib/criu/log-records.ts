import { gradeOf, parseLine } from './log-line.js';

/** What CRIU says at one time. */
export interface LogRecord {
  /**
   * Milliseconds since CRIU got the request. Undefined at a `logLevel` below 3, and for what code of
   * CRIU's inside of a task says.
   */
  timeMs: number | undefined;
  /** CRIU does not tell what is only for debugging from other information. */
  level: 'error' | 'warning' | 'info';
  /** The task that says it, as its pid namespace numbers it, where CRIU tells that. */
  pid: number | undefined;
  /** The file of CRIU's sources and its line, of errors and warnings: `criu/seize.c:335`. */
  source: string | undefined;
  /** Mostly one line. Names of files stand in it as they are. */
  message: string;
}

/** A record gets no longer than this, whatever CRIU repeats in it. */
const longest = 64 * 1024;

/** Makes records of a log that grows. */
export class LogParser {
  #rest = '';
  #record: LogRecord | undefined;

  /**
   * Takes the next part of the log.
   *
   * @returns the records that are whole.
   */
  add(text: string): LogRecord[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    const whole = lines.flatMap((line) => this.#addLine(line));
    // Only what is no log at all has such lines.
    return this.#rest.length > longest ? [...whole, ...this.finish()] : whole;
  }

  /** The record that lines could still have been added to. CRIU writes one at a time. */
  flush(): LogRecord[] {
    const record = this.#record;
    this.#record = undefined;
    return record === undefined ? [] : [record];
  }

  /** The same at the end of the log, whose last line may not be whole. */
  finish(): LogRecord[] {
    const line = this.#rest;
    this.#rest = '';
    const before = line === '' ? [] : this.#addLine(line);
    return [...before, ...this.flush()];
  }

  #addLine(text: string): LogRecord[] {
    const record = recordOf(text);
    const last = this.#record;
    if (record === undefined && last !== undefined && last.message.length < longest) {
      last.message += `\n${text}`;
      return [];
    }
    const before = this.flush();
    // Blank lines are for the eye.
    if (text !== '') this.#record = record ?? information(text);
    return before;
  }
}

/** The record that a line begins; undefined for one that goes on with another. */
function recordOf(text: string): LogRecord | undefined {
  const { time, pid, words } = parseLine(text);
  const grade = gradeOf(words);
  if (time === undefined && pid === undefined && grade === undefined) return undefined;
  return {
    timeMs: time === undefined ? undefined : Math.round(time * 1e6) / 1e3,
    level: grade?.level ?? 'info',
    pid,
    source: grade && `${grade.file}:${grade.line}`,
    message: grade?.sentence ?? words,
  };
}

function information(message: string): LogRecord {
  return { timeMs: undefined, level: 'info', pid: undefined, source: undefined, message };
}
