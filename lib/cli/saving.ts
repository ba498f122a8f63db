import { inBytes } from '../base/in-bytes.js';
import { pageSize } from '../linux/page-size.js';
import type { DumpProgress } from '../options/dump-progress.js';
import type { DumpResult } from '../process/dump-result.js';
import type { Invocation } from './command.js';
import { type Flag, UsageError } from './flags.js';
import { ProgressBar } from './progress-bar.js';

/** What the commands print that save something. They are not options of the API. */
export const outputFlags: readonly Flag[] = [
  { name: 'json', help: 'print the result as an object' },
  { name: 'quiet', help: 'print nothing on a terminal if all goes well' },
];

type Told = Pick<Invocation, 'values' | 'outside'>;

/**
 * Saves something, and tells of it: on a terminal by a bar while it takes long, and by a line; with `--json`
 * by the result.
 *
 * @param what - What is saved: `web`.
 * @param save - Calls the API with what hears of its progress, undefined where nobody looks at it.
 */
export async function saving<T extends DumpResult>(
  what: string,
  { values, outside: { stdout, stderr } }: Told,
  save: (onProgress: ((progress: DumpProgress) => void) | undefined) => Promise<T>,
): Promise<T> {
  const isSilent = values.get('quiet') === true || values.get('json') === true;
  const bar = isSilent || stderr.isTTY !== true ? undefined : new ProgressBar(stderr);
  let result: T;
  try {
    result = await save(bar?.show);
  } finally {
    bar?.end();
  }
  if (values.get('json') === true) stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (!isSilent && stdout.isTTY === true) stdout.write(`${summary(what, result)}\n`);
  return result;
}

/** Refuses two things on one standard output. */
export function refuseBesideJson({ values }: Pick<Invocation, 'values'>, flag: string): void {
  if (values.get('json') !== true) return;
  throw new UsageError(`Expected --json or ${flag} but received both: both go to standard output`);
}

function summary(what: string, { imagePath, stats, timings, durationMs }: DumpResult): string {
  const place = imagePath === '' ? 'a stream' : imagePath;
  const { pauseMs } = timings;
  const parts = [
    ...(stats === undefined ? [] : [`${inBytes(stats.pagesWritten * pageSize())} of memory`]),
    `${durationMs.toFixed(0)} ms`,
    ...(pauseMs === undefined ? [] : [`stood still for ${pauseMs.toFixed(1)} ms`]),
  ];
  return `${what} is saved in ${place} (${parts.join(', ')})`;
}
