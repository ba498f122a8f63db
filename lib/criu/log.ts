import { open } from 'node:fs/promises';

/** CRIU says this on every start where it may not raise its own limits; it is never the cause. */
const harmless = /rlimit: Can't setup RLIMIT_NOFILE/;
/** What stands before the words of a line: the time, as "(00.004321)", and a pid. */
const prefix = /^\(\d+\.\d+\)\s*(?:\d+:\s*)?/;
const errorLine = /^(?:\(\d+\.\d+\)\s*)?(?:\s*\d+:\s*)?Error \(([^)]*)\):\s*(.*)$/;
/** An error that CRIU logs before the one that tells the reason. */
const withoutReason = /^tls: Invalid certificate$/;
/** CRIU logs this as information, and the errors behind it follow from it. */
const unreachable = /Can't connect to server \S+:\d+/;
const connecting = /Connecting to server/;
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

/** Picks the error lines out of CRIU's log text. */
export function excerpt(text: string): LogExcerpt {
  const lines: string[] = [];
  let cause: string | undefined;
  let notReached: string | undefined;
  for (const line of text.split('\n')) {
    // CRIU tries the addresses of a host one after the other; only the last one counts.
    if (connecting.test(line)) notReached = undefined;
    notReached ??= unreachable.exec(line)?.[0];
    const match = errorLine.exec(line.trimEnd());
    if (!match || harmless.test(line)) continue;
    if (!withoutReason.test(match[2] ?? '')) cause ??= match[2];
    lines.push(line.trimEnd().replace(prefix, ''));
  }
  return { cause: notReached ?? cause, lines: lines.slice(-keptLines) };
}

/** Reads the end of a log file; an excerpt of nothing when there is none. */
export async function readExcerpt(path: string): Promise<LogExcerpt> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return excerpt('');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, tailBytes);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return excerpt(buffer.toString('utf8'));
  } finally {
    await file.close();
  }
}
