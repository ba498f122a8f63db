// @ts-check
import { dumpsOf } from '../lib/dumps.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { median } from '../lib/statistics.mjs';
import { startWorkload } from '../lib/workload.mjs';

const names = {
  ours: 'libcriu for Node.js, a spare worker ready',
  spare: 'libcriu in C, a worker started ahead',
  forking: 'libcriu in C, forking',
  fromC: 'criu dump, spawned from C',
  fromNode: 'criu dump, spawned from Node.js',
};

/** @type {import('../lib/result.mjs').Group} */
export const processes = {
  name: 'processes',
  title: 'One small process',
  rounds: 40,
  async run(context, rounds, scope) {
    const dumps = dumpsOf(context, await startWorkload(context, scope, 'idle'));
    const samples = await runRounds(
      [
        { name: names.ours, measure: async () => ({ ms: await dumps.ours() }) },
        { name: names.spare, measure: async () => ({ ms: await dumps.libcriuWithSpare() }) },
        { name: names.forking, measure: async () => ({ ms: await dumps.libcriuForking() }) },
        { name: names.fromC, measure: async () => ({ ms: await dumps.programFromC() }) },
        { name: names.fromNode, measure: async () => ({ ms: await dumps.programFromNode() }) },
      ],
      rounds,
    );
    /** @param {string} name */
    const ms = (name) => samples.of(name, 'ms');
    const ours = ms(names.ours);
    const limit = { samples: ms(names.spare), by: names.spare };
    return {
      charts: [
        {
          title: 'Time of a dump',
          unit: 'ms',
          bars: [
            { name: names.fromNode, samples: ms(names.fromNode) },
            { name: names.fromC, samples: ms(names.fromC) },
            { name: names.forking, samples: ms(names.forking) },
            { name: names.spare, samples: ms(names.spare), limit: true },
            { name: names.ours, samples: ours, ours: true },
          ],
        },
      ],
      targets: [
        ratio('process dump / criu dump from C', ours, ms(names.fromC), { atMost: 0.7 }, limit),
        {
          what: 'process dump - libcriu in C, same transport',
          value: median(ours) - median(ms(names.spare)),
          unit: 'ms',
          atMost: 0.25,
          limit: { value: 0, by: names.spare },
        },
      ],
    };
  },
};
