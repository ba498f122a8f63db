// @ts-check
import { rm } from 'node:fs/promises';
import { freshPath } from '../lib/context.mjs';
import { dumpsOf } from '../lib/dumps.mjs';
import { requireMemory } from '../lib/machine.mjs';
import { ratio, roundsRatio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';
import { startWorkload } from '../lib/workload.mjs';

const mebibytes = 1024;

const names = {
  ours: 'libcriu for Node.js',
  inC: 'libcriu in C, same transport',
  write: 'write() of the same bytes',
  limit: 'libcriu in C, same transport, with what we preload',
};

/** @type {import('../lib/result.mjs').Group} */
export const memory = {
  name: 'memory',
  // A disk's own pace would be in every figure.
  title: `A process with ${mebibytes} MiB of memory, images on tmpfs`,
  rounds: 20,
  async run(context, rounds, scope) {
    // The process, the harness's copy, the images and what warms up.
    requireMemory(4 * mebibytes);
    const pid = await startWorkload(context, scope, 'memory', mebibytes);
    const harness = context.startHarness(scope);
    await harness.command('hold', mebibytes);

    const write = async () => {
      const file = freshPath(context.memoryDirectory);
      try {
        return await harness.command('write', file);
      } finally {
        await rm(file, { force: true });
      }
    };
    /**
     * A virtual machine's host gives it memory at the first touch, slowly: each time, the file
     * system has just held as much as is to come.
     *
     * @param {string} name
     * @param {() => Promise<number>} measure
     */
    const variant = (name, measure) => ({
      name,
      measure: async () => {
        await write();
        const ms = await measure();
        return { ms, bandwidth: (mebibytes / ms) * 1000 };
      },
    });
    const dumps = dumpsOf(context, pid);
    const samples = await runRounds(
      [
        variant(names.ours, dumps.ours),
        variant(names.inC, () => dumps.libcriuWithSpare(harness)),
        variant(names.write, write),
        {
          ...variant(names.limit, async () =>
            dumps.libcriuWithSpare(harness, await context.criuEnvironment()),
          ),
          every: limitEvery,
        },
      ],
      rounds,
      { warmUp: 1 },
    );
    /** @param {string} name */
    const bandwidth = (name) => samples.of(name, 'bandwidth');
    const ours = samples.of(names.ours, 'ms');
    return {
      charts: [
        {
          title: 'Bandwidth of a dump',
          unit: 'MiB/s',
          bars: [
            { name: names.write, samples: bandwidth(names.write) },
            { name: names.inC, samples: bandwidth(names.inC) },
            { name: names.ours, samples: bandwidth(names.ours), ours: true },
            { name: names.limit, samples: bandwidth(names.limit), limit: true },
          ],
        },
      ],
      targets: [
        ratio(
          '1 GiB dump: bandwidth / write()',
          bandwidth(names.ours),
          bandwidth(names.write),
          { atLeast: 0.9 },
          { samples: bandwidth(names.limit), by: names.limit },
        ),
        roundsRatio(
          '1 GiB dump: time / libcriu in C',
          ours,
          samples.of(names.inC, 'ms'),
          { atMost: 1.03 },
          { samples: samples.of(names.limit, 'ms'), by: names.limit },
        ),
      ],
    };
  },
};
