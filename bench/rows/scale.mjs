// @ts-check
import { dumpsOf } from '../lib/dumps.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { startWorkload } from '../lib/workload.mjs';

const few = 100;
const most = 1000;
const inC = `${most} children, libcriu in C, worker started ahead`;

/** @type {import('../lib/result.mjs').Group} */
export const scale = {
  name: 'scale',
  title: 'A process with many children, images on tmpfs',
  rounds: 20,
  async run(context, rounds, scope) {
    /** @type {import('../lib/rounds.mjs').Variant[]} */
    const variants = [];
    for (const children of [few, most]) {
      const pid = await startWorkload(context, scope, 'children', children);
      const dumps = dumpsOf(context, pid);
      variants.push({
        name: `${children} children`,
        measure: async () => ({ ms: await dumps.ours() }),
      });
      if (children === most) {
        const measure = async () => ({ ms: await dumps.libcriuWithSpare() });
        variants.push({ name: inC, measure, every: 4 });
      }
    }
    const samples = await runRounds(variants, rounds, { warmUp: 1 });
    const hundred = samples.of(`${few} children`, 'ms');
    const thousand = samples.of(`${most} children`, 'ms');
    const limit = { samples: samples.of(inC, 'ms'), by: inC };
    return {
      charts: [
        {
          title: 'Time of a dump',
          unit: 'ms',
          bars: [
            { name: `${few} children`, samples: hundred, ours: true },
            { name: `${most} children`, samples: thousand, ours: true },
            { name: inC, samples: limit.samples, limit: true },
          ],
        },
      ],
      targets: [
        ratio(`${most} children / ${few} children`, thousand, hundred, { atMost: 12 }, limit),
      ],
    };
  },
};
