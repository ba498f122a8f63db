import { late } from '../../base/late.js';
import type { LazyPagesOptions } from '../../options/types.js';
import type { LazyPagesHandle } from '../../serve/lazy-pages-handle.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs } from '../saving.js';
import { flagWords } from '../words.js';

const serving = late(() => import('../../serve/lazy-pages.js'));

const call = 'startLazyPages';
const rows = rowsOf(call);
const words = flagWords(rows);

/** `libcriu lazy-pages`: brings restored processes the memory that a lazy dump serves. */
export const lazyPagesCommand: Command = {
  name: 'lazy-pages',
  summary: 'bring restored processes the memory of a lazy dump',
  flags: rows.map((row) => flagOf(row, call, words)),
  output: outputFlags,
  description: [
    'Fetches memory from the dump that serves it at --address and --port, for what',
    'restore --lazy-pages restores of --image-path. Prints the --work-path that the',
    'restore needs when that can begin, and ends when the processes have all of',
    'their memory. A signal ends it before, unless processes depend on it.',
  ],
  words,

  async run({ values, outside, log, tell }) {
    const options = toOptions(rows, values) as unknown as LazyPagesOptions;
    const { address, port } = options;
    const givenUp = (signal: string): string => `The lazy-pages daemon was ended at ${signal}`;
    const result = await interruptible(outside, givenUp, async (signal) => {
      const { startLazyPages } = await serving();
      const handle = await startLazyPages({ ...options, signal });
      const { workPath, logFile, finished } = handle;
      signal.addEventListener('abort', () => void warnOfDependants(handle, log.warning.bind(log)));
      await tell({
        isOneOfSeveral: true,
        result: { address, port, workPath, logFile },
        text: `${workPath}\n`,
        line: `fetches from ${address} port ${port}: restore with --lazy-pages --work-path ${workPath}`,
      });
      return await finished;
    });
    const { total, served, logFile, durationMs, warnings } = result;
    await tell({
      isOneOfSeveral: true,
      result,
      line: `the processes have their memory ${inBrackets(`${served} of ${total} pages`, inMs(durationMs))}`,
    });
    for (const warning of warnings) log.warning(warning);
    log.debug(`brought ${served} of ${total} pages, CRIU's log is ${logFile}`);
  },
};

/** Tells why a signal does not end it: processes would find zeros in the place of their memory. */
async function warnOfDependants(
  { progress }: LazyPagesHandle,
  warn: (sentence: string) => void,
): Promise<void> {
  const { total, left } = await progress().catch(() => ({ total: 0, left: 0 }));
  if (total === 0 || left === 0) return;
  warn(`Restored processes lack ${left} pages of memory: it ends when they have them`);
}
