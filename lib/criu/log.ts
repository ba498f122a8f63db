import { closeFd, openFd, readFd, statFd } from '../base/files.js';
import { type Grade, gradeOf, type LogLine, parseLine } from './log-line.js';

/** CRIU says this on every start where it may not raise its own limits; it is never the cause. */
const harmless = /^rlimit: Can't setup RLIMIT_NOFILE/;
/** How a line begins that has a time, a pid, or is one of those that are looked for. */
const beginnings = '( 0123456789pEC';
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

/** What a CRIU log tells of a failure. */
export interface LogExcerpt {
  /** The error that came first: what later ones follow from. */
  cause: string | undefined;
  /** The error lines, oldest first. */
  lines: readonly string[];
}

interface Line extends LogLine {
  readonly error: Grade | undefined;
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
    .map(withError);
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

function withError(text: string): Line {
  const line = parseLine(text);
  const grade = gradeOf(line.words);
  return { ...line, error: grade?.level === 'error' ? grade : undefined };
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
