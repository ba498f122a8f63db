import { closeFd, openFd, readFd, statFd } from '../base/files.js';

/** CRIU says this on every start where it may not raise its own limits; it is never the cause. */
const harmless = /^rlimit: Can't setup RLIMIT_NOFILE/;
/**
 * A line of CRIU's: the time, as `(00.004321)`, a pid, and for its code inside of a task `pie:` and
 * that task's pid. Nothing in it can match the same text in two ways, so that a line is read in linear
 * time whatever it holds.
 */
const linePattern = /^(?:\((\d{1,10}\.\d{1,9})\) ?)?(?: {0,16}\d{1,10}: )?(pie: \d{1,10}: )?(.*)$/s;
/** How a line begins that has a time, a pid, or is one of those that are looked for. */
const beginnings = '( 0123456789pEC';
/** An error names the place in CRIU's sources. */
const errorPattern = /^Error \(([\w.+/-]{1,200}\.[ch]):\d{1,9}\): {0,16}(.*)$/s;
/** An error that CRIU logs before the one that tells the reason. */
const withoutReason = /^tls: Invalid certificate$/;
/** CRIU logs this as information, and the errors behind it follow from it. */
const unreachable = /^Can't connect to server \S{1,300}:\d{1,5}/;
const connecting = 'Connecting to server';
/** What CRIU's own side says when its code inside of a task has failed. */
const daemonFailed = /^compel\//;
/** The cause stands near the end, and a log at level 4 can have hundreds of MiB. */
const tailBytes = 1024 * 1024;
const keptLines = 20;
/** A path is no longer than this, and no sentence of CRIU's has more than two. */
const lineLength = 10_000;

/** What a CRIU log tells of a failure. */
export interface LogExcerpt {
  /** The error that came first: what later ones follow from. */
  cause: string | undefined;
  /** The error lines, oldest first. */
  lines: readonly string[];
}

interface Line {
  /** Seconds after CRIU's start; undefined where the line has no time. */
  readonly time: number | undefined;
  readonly isInTask: boolean;
  /** Without time and pid. */
  readonly words: string;
  readonly error: { file: string; sentence: string } | undefined;
}

/** Picks the error lines out of CRIU's log text. */
export function excerpt(text: string): LogExcerpt {
  const lines: string[] = [];
  let cause: string | undefined;
  let notReached: string | undefined;
  for (const { isInTask, words, error } of ownLines(text)) {
    // CRIU tries the addresses of a host one after the other; only the last one counts.
    if (words.startsWith(connecting)) notReached = undefined;
    notReached ??= unreachable.exec(words)?.[0];
    if (error === undefined || harmless.test(error.sentence)) continue;
    if (!withoutReason.test(error.sentence)) cause ??= error.sentence;
    lines.push(isInTask ? `pie: ${words}` : words);
  }
  return { cause: notReached ?? cause, lines: lines.slice(-keptLines) };
}

/**
 * The lines that CRIU itself has begun. The names of files stand in the log as they are, and one with
 * a line break can look like a line of CRIU's; but it cannot know the time, which never runs back.
 */
function ownLines(text: string): Line[] {
  const lines = text
    .split('\n')
    .filter((line) => line !== '' && beginnings.includes(line.charAt(0)))
    .map(parseLine);
  const nextTimed = following(lines, ({ time }) => time !== undefined);
  const nextError = following(
    lines,
    ({ time, error }) => time !== undefined && error !== undefined,
  );
  const end = lines.findLast(({ time }) => time !== undefined)?.time;
  let now: number | undefined;
  return lines.filter(({ time, isInTask }, index) => {
    if (time !== undefined) {
      const next = nextTimed[index];
      const isPast = now !== undefined && time < now;
      const isAhead = time > (end ?? time);
      // The next line tells a time that has not come yet from one that has passed.
      const isBeforeNext = next?.time === undefined || time <= next.time || next.time < (now ?? 0);
      if (isPast || isAhead || !isBeforeNext) return false;
      now = time;
      return true;
    }
    // CRIU gives each line a time once it has its log, but not what it prints of its own accord.
    if (now === undefined) return true;
    // What code inside of a task says is passed on without one, before its failure is told.
    return isInTask && daemonFailed.test(nextError[index]?.error?.file ?? '');
  });
}

/** For each line the next one behind it of a kind. */
function following(
  lines: readonly Line[],
  isOfKind: (line: Line) => boolean,
): (Line | undefined)[] {
  const found: (Line | undefined)[] = new Array(lines.length);
  let next: Line | undefined;
  for (let index = lines.length - 1; index >= 0; index--) {
    found[index] = next;
    const line = lines[index];
    if (line !== undefined && isOfKind(line)) next = line;
  }
  return found;
}

function parseLine(text: string): Line {
  const [, time, inTask, words = ''] = linePattern.exec(text.slice(0, lineLength).trimEnd()) ?? [];
  const error = words.startsWith('Error (') ? errorPattern.exec(words) : null;
  const [, file, sentence = ''] = error ?? [];
  return {
    time: time === undefined ? undefined : Number(time),
    isInTask: inTask !== undefined,
    words,
    error: file === undefined ? undefined : { file, sentence },
  };
}

/** Reads the end of a log file; an excerpt of nothing when there is none. */
export async function readExcerpt(path: string): Promise<LogExcerpt> {
  const fd = await openFd(path, 'r').catch(() => undefined);
  if (fd === undefined) return excerpt('');
  try {
    const { size } = await statFd(fd);
    const length = Math.min(size, tailBytes);
    const { buffer } = await readFd(fd, Buffer.alloc(length), 0, length, size - length);
    return excerpt(buffer.toString('utf8'));
  } finally {
    await closeFd(fd);
  }
}
