import { inBytes } from '../../base/in-bytes.js';
import { late } from '../../base/late.js';
import { optionsOf } from '../../options/calls.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { flagOf, toOptions } from '../option-flags.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs } from '../saving.js';
import { flagWords } from '../words.js';

const opening = late(() => import('../../archive/open.js'));

const call = 'restoreContainer';
/** What `openCheckpoint` takes of the options of a restore. */
const names = ['maxEntries', 'maxBytes', 'maxRatio', 'timeoutMs'];
const rows = optionsOf(call).filter(({ name }) => names.includes(name));
/** Here no tasks run on. */
const time = { help: 'time after which it is given up', otherwise: 'none' };
const file = { placeholder: '<file>', meaning: 'the checkpoint' } as const;
const directory = {
  placeholder: '<directory>',
  meaning: 'where it is unpacked to',
  completes: 'directory',
} as const;
const words = flagWords(rows, {
  from: file.placeholder,
  path: file.placeholder,
  directory: directory.placeholder,
});

/** `libcriu import`: a directory of a checkpoint that an engine or `export` has made. */
export const importCommand: Command = {
  name: 'import',
  summary: 'unpack an archive of a checkpoint to a directory',
  argument: { ...file, next: directory },
  flags: rows.map((row) =>
    flagOf(row.name === 'timeoutMs' ? { ...row, ...time } : row, call, words),
  ),
  output: outputFlags,
  description: [
    'Reads the checkpoint <file>, an archive or an image, from its beginning to its',
    'end, refuses one that is not whole or could do harm, and unpacks it to the',
    'empty or missing <directory>: the images to <directory>/checkpoint, which runc',
    'restore takes, and the container beside it, which restore --from takes.',
  ],
  words,

  async run({ values, argument, rest: [to = ''], outside, log, tell }) {
    const start = performance.now();
    const { timeoutMs, ...limits } = toOptions(rows, values) as { timeoutMs?: number };
    const givenUp = (signal: string): string =>
      `The import of ${argument} was given up at ${signal}, and nothing of it is left`;
    const { imagePath, info } = await interruptible(outside, givenUp, async (signal) => {
      const { openCheckpoint } = await opening();
      const bounds = { signal, timeoutMs };
      const checkpoint = await openCheckpoint(argument, { ...limits, ...bounds });
      try {
        return { info: checkpoint.info, imagePath: await checkpoint.extract(to, bounds) };
      } finally {
        await checkpoint.close();
      }
    });
    const durationMs = performance.now() - start;
    const what = info.name ?? info.id ?? argument;
    await tell({
      result: { imagePath, info, durationMs },
      line: `${what} is in ${imagePath} ${inBrackets(inBytes(info.bytes), inMs(durationMs))}`,
    });
    log.debug(`import of ${argument} to ${imagePath} after ${durationMs.toFixed(1)} ms`);
  },
};
