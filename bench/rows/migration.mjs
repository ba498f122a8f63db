// @ts-check
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { capture, StepError } from '../../tools/process.mjs';
import { checkInterrupt } from '../lib/interrupt.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { summarize } from '../lib/statistics.mjs';
import { digits } from '../report/text.mjs';

const program = join(root, 'examples/migrate/measure.mjs');
const names = { copy: 'stop and copy', preCopy: 'pre-copy', lazy: 'lazy' };
const mebibytes = 256;
const rate = '1gbit';
/** What CRIU takes to dump and restore what is not memory, and the way of the images. */
const limitName = `${names.copy} of a server without state`;

/**
 * One migration of the example, in a network namespace of its own.
 *
 * @param {string} way
 * @param {number} [size] of the server's state, in MiB
 * @returns {Promise<import('../../examples/migrate/measure.mjs').Measured>}
 */
async function migrate(way, size = mebibytes) {
  const args = ['--net', process.execPath, program, way, String(size), rate];
  const { status, stdout, stderr } = await capture('unshare', args);
  checkInterrupt();
  if (status !== 0) throw new StepError(`the migration by ${way} failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** @type {import('../lib/result.mjs').Group} */
export const migration = {
  name: 'migration',
  title: 'A server moves from one host to another',
  rounds: 5,
  async run(_context, rounds) {
    const { unavailable } = await migrate(names.preCopy);
    const ways = Object.values(names).filter(
      (way) => way !== names.preCopy || unavailable === undefined,
    );
    /** @param {Parameters<typeof migrate>} args */
    const measured = async (...args) => {
      const { downtimeMs = Number.NaN, totalMs = Number.NaN } = await migrate(...args);
      return { downtimeMs, totalMs };
    };
    const samples = await runRounds(
      [
        ...ways.map((name) => ({ name, measure: () => measured(name) })),
        { name: limitName, measure: () => measured(names.copy, 1), every: 2 },
      ],
      rounds,
      { warmUp: 1 },
    );
    /** @param {string} name @param {string} figure */
    const shown = (name, figure) => {
      const { median, p10, p90 } = summarize(samples.of(name, figure));
      return `${digits(median)} (${digits(p10)}-${digits(p90)})`;
    };
    const downtime = (/** @type {string} */ name) => samples.of(name, 'downtimeMs');
    return {
      table: [
        ['', 'downtime, ms (p10-p90)', 'total time, ms (p10-p90)'],
        ...Object.values(names).map((name) =>
          ways.includes(name)
            ? [name, shown(name, 'downtimeMs'), shown(name, 'totalMs')]
            : [name, 'not here', 'not here'],
        ),
      ],
      charts: [
        {
          title: 'Downtime that the client sees',
          unit: 'ms',
          bars: [
            ...ways.map((name) => ({ name, samples: downtime(name) })),
            { name: limitName, samples: downtime(limitName), limit: true },
          ],
        },
      ],
      targets: [
        ratio(
          'lazy migration: downtime / stop and copy',
          downtime(names.lazy),
          downtime(names.copy),
          { atMost: 0.25 },
          { samples: downtime(limitName), by: limitName },
        ),
      ],
      notes: [
        `A Node.js server with ${mebibytes} MiB of state, over a link of ${rate}`,
        ...(unavailable === undefined ? [] : [`${names.preCopy}: ${unavailable}`]),
      ],
    };
  },
};
