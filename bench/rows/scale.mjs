// @ts-check
import { dumpsOf } from '../lib/dumps.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { startWorkload } from '../lib/workload.mjs';

/** @type {import('../lib/result.mjs').Group} */
export const scale = {
  name: 'scale',
  title: 'A process with many children, images on tmpfs',
  rounds: 20,
  async run(context, rounds, scope) {
    const variants = [];
    for (const children of [100, 1000]) {
      const pid = await startWorkload(context, scope, 'children', children);
      const dumps = dumpsOf(context, pid);
      variants.push({
        name: `${children} children`,
        measure: async () => ({ ms: await dumps.ours() }),
      });
    }
    const samples = await runRounds(variants, rounds, { warmUp: 1 });
    const hundred = samples.of('100 children', 'ms');
    const thousand = samples.of('1000 children', 'ms');
    return {
      charts: [
        {
          title: 'Time of a dump',
          unit: 'ms',
          bars: [
            { name: '100 children', samples: hundred, ours: true },
            { name: '1000 children', samples: thousand, ours: true },
          ],
        },
      ],
      targets: [ratio('1000 children / 100 children', thousand, hundred, { atMost: 12 })],
    };
  },
};
