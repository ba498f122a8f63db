import { inBytes } from '../base/in-bytes.js';
import { pageSize } from '../linux/page-size.js';
import type { DumpProgress } from '../options/dump-progress.js';
import type { DumpResult } from '../process/dump-result.js';
import type { Invocation } from './command.js';
import { UsageError } from './flags.js';
import { isSilent, jsonFlag } from './output.js';
import { ProgressBar } from './progress-bar.js';

/** The option that hears of the progress of a dump; none where nobody looks at it. */
export interface Hearing {
  onProgress?: (progress: DumpProgress) => void;
}

/** A bar on the terminal for what takes long, if it is one that somebody looks at. */
export function barFor({
  values,
  outside: { stderr },
}: Pick<Invocation, 'values' | 'outside'>): ProgressBar | undefined {
  return isSilent(values) || stderr.isTTY !== true ? undefined : new ProgressBar(stderr);
}

/**
 * Saves something, with a bar on a terminal while it takes long.
 *
 * @param save - Calls the API with what hears of its progress.
 */
export async function withBar<T>(
  invocation: Pick<Invocation, 'values' | 'outside'>,
  save: (hearing: Hearing) => Promise<T>,
): Promise<T> {
  const bar = barFor(invocation);
  try {
    return await save(bar === undefined ? {} : { onProgress: bar.show });
  } finally {
    bar?.end();
  }
}

/** Refuses two things on one standard output. */
export function refuseBesideJson({ values }: Pick<Invocation, 'values'>, flag: string): void {
  if (values.get(jsonFlag.name) !== true) return;
  throw new UsageError(`Expected --json or ${flag} but received both: both go to standard output`);
}

/**
 * Tells of a dump that has succeeded.
 *
 * @param what - What is saved: `web`.
 * @param doing - The dump, in the log: `dump of process 7`.
 */
export async function tellSaved(
  { tell, log }: Pick<Invocation, 'tell' | 'log'>,
  what: string,
  doing: string,
  result: DumpResult,
): Promise<void> {
  const { imagePath, logFile, stats, timings, durationMs, warnings } = result;
  const place = imagePath === '' ? 'a stream' : imagePath;
  const size = stats && `${inBytes(stats.pagesWritten * pageSize())} of memory`;
  const figures = inBrackets(size, inMs(durationMs), inPause(timings.pauseMs));
  await tell({ result, line: `${what} is saved in ${place} ${figures}` });
  for (const warning of warnings) log.warning(warning);
  const toldLog = logFile === '' ? '' : `, CRIU's log is ${logFile}`;
  log.debug(`${doing} in ${place} after ${durationMs.toFixed(1)} ms${toldLog}`);
}

/** `stood still for 2.3 ms`; undefined where that is not known. */
export function inPause(ms: number | undefined): string | undefined {
  return ms === undefined || Number.isNaN(ms) ? undefined : `stood still for ${ms.toFixed(1)} ms`;
}

/** `34 ms`. */
export function inMs(durationMs: number): string {
  return `${durationMs.toFixed(0)} ms`;
}

/** `(1.2 MiB, 34 ms)`, of those that are known. */
export function inBrackets(...parts: readonly (string | undefined)[]): string {
  return `(${parts.filter((part) => part !== undefined).join(', ')})`;
}
