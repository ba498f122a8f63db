// @ts-check
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { withImages } from '../lib/context.mjs';
import { dumpsOf } from '../lib/dumps.mjs';
import { requireMemory } from '../lib/machine.mjs';
import { ratio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';
import { makeStarts } from '../lib/warm-start.mjs';
import { startWorkload } from '../lib/workload.mjs';

/** @typedef {import('../lib/scope.mjs').Scope} Scope */

const mebibytes = 2048;

const names = {
  small: 'libcriu for Node.js, small heap',
  large: 'libcriu for Node.js, 2 GiB of buffers',
  smallForking: 'libcriu in C, forking, small process',
  largeForking: 'libcriu in C, forking, 2 GiB process',
  largeSpare: 'libcriu in C, worker started ahead, 2 GiB process',
};
const starts = {
  cold: 'started anew',
  snapshot: "from Node.js's own start-up snapshot",
  warm: 'brought back from a snapshot',
  inC: 'brought back by libcriu in C, worker started ahead',
};

/**
 * A Node.js process of this size that dumps.
 *
 * @param {Scope} scope
 * @param {number} size in MiB
 * @returns {Promise<(pid: number, imagePath: string) => Promise<number>>} milliseconds
 */
async function startDumper(scope, size) {
  const script = join(import.meta.dirname, '../lib/heap-child.mjs');
  const child = fork(script, [join(root, 'dist/index.js'), String(size)], { detached: true });
  const gone = once(child, 'exit');
  scope.defer(async () => {
    if (child.connected) {
      child.disconnect();
    }
    await gone;
  });
  /** @returns {Promise<{ms?: number, error?: string}>} */
  const answer = async () => {
    const [message] = await Promise.race([
      once(child, 'message'),
      gone.then(() => [{ error: 'the dumping process has ended' }]),
    ]);
    return message;
  };
  await answer();
  return async (pid, imagePath) => {
    const answered = answer();
    child.send({ pid, imagePath });
    const { ms, error } = await answered;
    if (ms === undefined) {
      throw new Error(error);
    }
    return ms;
  };
}

/** @type {import('../lib/result.mjs').Group} */
export const node = {
  name: 'node',
  title: 'The size of the process that dumps, and a warm start',
  rounds: 20,
  async run(context, rounds, scope) {
    requireMemory(2.5 * mebibytes);
    const pid = await startWorkload(context, scope, 'idle');
    const small = await startDumper(scope, 0);
    const large = await startDumper(scope, mebibytes);
    const largeHarness = context.startHarness(scope);
    await largeHarness.command('hold', mebibytes);
    const dumps = dumpsOf(context, pid);

    /** @param {typeof small} dump */
    const by = (dump) => async () => ({
      ms: await withImages(context.memoryDirectory, (imagePath) => dump(pid, imagePath)),
    });
    const samples = await runRounds(
      [
        { name: names.small, measure: by(small) },
        { name: names.large, measure: by(large) },
        { name: names.smallForking, measure: async () => ({ ms: await dumps.libcriuForking() }) },
        {
          name: names.largeForking,
          measure: async () => ({ ms: await dumps.libcriuForking(largeHarness) }),
        },
        {
          name: names.largeSpare,
          measure: async () => ({ ms: await dumps.libcriuWithSpare(largeHarness) }),
          every: limitEvery,
        },
      ],
      rounds,
    );
    const ways = await makeStarts(context);
    const started = await runRounds(
      [
        { name: starts.cold, measure: ways.cold },
        { name: starts.snapshot, measure: ways.snapshot },
        { name: starts.warm, measure: ways.warm },
        { name: starts.inC, measure: ways.inC, every: limitEvery },
      ],
      rounds,
    );
    /** @param {string} name */
    const startMs = (name) => started.of(name, 'ms');
    const warmLimit = { samples: startMs(starts.inC), by: starts.inC };
    /**
     * @param {string} name
     * @param {boolean} [ours]
     */
    const bar = (name, ours = false) => ({ name, samples: samples.of(name, 'ms'), ours });
    return {
      charts: [
        {
          title: 'Time of a dump of a small process',
          unit: 'ms',
          bars: [
            bar(names.smallForking),
            bar(names.largeForking),
            bar(names.small, true),
            bar(names.large, true),
            { name: names.largeSpare, samples: samples.of(names.largeSpare, 'ms'), limit: true },
          ],
        },
        {
          title: 'Time to the first answer of a server that renders charts',
          unit: 'ms',
          bars: [
            { name: starts.cold, samples: startMs(starts.cold) },
            { name: starts.snapshot, samples: startMs(starts.snapshot) },
            { name: starts.warm, samples: startMs(starts.warm), ours: true },
            { name: starts.inC, samples: startMs(starts.inC), limit: true },
          ],
        },
      ],
      targets: [
        ratio(
          'process dump with a 2 GiB heap / with a small one',
          samples.of(names.large, 'ms'),
          samples.of(names.small, 'ms'),
          { atMost: 1.1 },
          { samples: samples.of(names.largeSpare, 'ms'), by: names.largeSpare },
        ),
        ratio(
          'first answer of a server, warm / cold',
          startMs(starts.warm),
          startMs(starts.cold),
          { atMost: 0.2 },
          warmLimit,
        ),
        ratio(
          "first answer of a server, warm / Node.js's own snapshot",
          startMs(starts.warm),
          startMs(starts.snapshot),
          { atMost: 0.5 },
          warmLimit,
        ),
      ],
    };
  },
};
