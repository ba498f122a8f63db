/**
 * A line of CRIU's: the time, as `(00.004321)`, a pid, and for its code inside of a task `pie:` and
 * that task's pid. Nothing in it can match the same text in two ways, so that a line is read in linear
 * time whatever it holds.
 */
const linePattern =
  /^(?:\((\d{1,10}\.\d{1,9})\) ?)?(?: {0,16}(\d{1,10}): )?(?:pie: (\d{1,10}): )?(.*)$/s;
/** An error or a warning names the place in CRIU's sources. */
const gradePattern = /^(Error|Warn ) \(([\w.+/-]{1,200}\.[ch]):(\d{1,9})\): {0,16}(.*)$/s;
/** A path is no longer than this, and no sentence of CRIU's has more than two. */
const lineLength = 10_000;

/** A line of CRIU's log, taken apart. */
export interface LogLine {
  /** Seconds after CRIU's start; undefined where the line has no time. */
  readonly time: number | undefined;
  /** The task that the line is from or about, where CRIU tells it. */
  readonly pid: number | undefined;
  /** Whether CRIU's code inside of a task says it. */
  readonly isInTask: boolean;
  /** Without time and pid. */
  readonly words: string;
}

/** Why a line is in the log, and what it says beside that. */
export interface Grade {
  readonly level: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly sentence: string;
}

/** Takes a line apart. */
export function parseLine(text: string): LogLine {
  const line = text.slice(0, lineLength).trimEnd();
  const [, time, pid, inTask, words = ''] = linePattern.exec(line) ?? [];
  const task = inTask ?? pid;
  return {
    time: time === undefined ? undefined : Number(time),
    pid: task === undefined ? undefined : Number(task),
    isInTask: inTask !== undefined,
    words,
  };
}

/** What makes words an error or a warning; undefined for information. */
export function gradeOf(words: string): Grade | undefined {
  if (!words.startsWith('Error (') && !words.startsWith('Warn  (')) return undefined;
  const [, grade, file = '', line, sentence = ''] = gradePattern.exec(words) ?? [];
  if (grade === undefined) return undefined;
  return { level: grade === 'Error' ? 'error' : 'warning', file, line: Number(line), sentence };
}
