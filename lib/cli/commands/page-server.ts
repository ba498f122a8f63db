import { inBytes } from '../../base/in-bytes.js';
import { late } from '../../base/late.js';
import type { PageServerOptions } from '../../options/types.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { flagOf, rowsOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs } from '../saving.js';
import { flagWords } from '../words.js';

const serving = late(() => import('../../serve/page-server.js'));

const call = 'startPageServer';
const rows = rowsOf(call);
const words = flagWords(rows);

/** `libcriu page-server`: receives the memory of one dump. */
export const pageServerCommand: Command = {
  name: 'page-server',
  summary: 'receive the memory of a dump on another host',
  flags: rows.map((row) => flagOf(row, call, words)),
  output: outputFlags,
  description: [
    'Receives into --image-path the memory of one dump whose --page-server is this',
    'one, prints ADDRESS:PORT when it listens, and ends when all has come. A signal',
    'ends it before, and what has come is removed.',
  ],
  words,

  async run({ values, outside, log, tell }) {
    const options = toOptions(rows, values) as unknown as PageServerOptions;
    const givenUp = (signal: string): string =>
      `The page server was ended at ${signal}, and what it has received is removed`;
    const result = await interruptible(outside, givenUp, async (signal) => {
      const { startPageServer } = await serving();
      const { address, port, finished } = await startPageServer({ ...options, signal });
      const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
      await tell({
        isOneOfSeveral: true,
        result: { address, port },
        text: `${at}\n`,
        line: `waits at ${at} for a dump`,
      });
      return await finished;
    });
    const { peer, bytes, imagePath, transferMs, logFile, warnings } = result;
    await tell({
      isOneOfSeveral: true,
      result,
      line: `received from ${peer} into ${imagePath} ${inBrackets(`${inBytes(bytes)} of memory`, inMs(transferMs))}`,
    });
    for (const warning of warnings) log.warning(warning);
    log.debug(`received ${bytes} bytes from ${peer}, CRIU's log is ${logFile}`);
  },
};
