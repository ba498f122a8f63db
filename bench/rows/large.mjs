// @ts-check
import { rm, statfs } from 'node:fs/promises';
import { run, StepError } from '../../tools/process.mjs';
import { freshPath, timed, withImages } from '../lib/context.mjs';
import { dumpsOf } from '../lib/dumps.mjs';
import { requireMemory } from '../lib/machine.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { withScope } from '../lib/scope.mjs';
import { summarize } from '../lib/statistics.mjs';
import { startWorkload } from '../lib/workload.mjs';
import { digits } from '../report/text.mjs';

const sizes = [256, 1024, 4096];
const names = {
  ours: 'libcriu',
  criu: "pageWriter: 'criu'",
  write: 'write() of the same bytes',
  limit: 'libcriu in C, same transport, with what we preload',
};

/**
 * The machine has to hold the process, the harness's copy and the file, which may be on a disk for which it is
 * kept in memory.
 *
 * @param {number} mebibytes
 * @param {string} directory
 */
async function requireRoom(mebibytes, directory) {
  requireMemory(3 * mebibytes + 1024);
  const { bavail, bsize } = await statfs(directory);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  if (free < mebibytes + 256) {
    throw new StepError(`it takes ${mebibytes + 256} MiB in ${directory}, which has ${free} MiB`);
  }
}

/**
 * The bandwidth of each way, in MiB/s.
 *
 * @param {import('../lib/context.mjs').Context} context
 * @param {number} mebibytes
 * @param {string} directory
 * @param {number} rounds
 */
function measure(context, mebibytes, directory, rounds) {
  return withScope(async (scope) => {
    const pid = await startWorkload(context, scope, 'memory', mebibytes);
    const harness = context.startHarness(scope);
    await harness.command('hold', mebibytes);
    const inC = dumpsOf({ ...context, memoryDirectory: directory }, pid);
    const write = async () => {
      const file = freshPath(directory);
      try {
        return await harness.command('write', file);
      } finally {
        await rm(file, { force: true });
      }
    };
    /** @param {'parallel' | 'criu'} pageWriter */
    const dump = (pageWriter) =>
      withImages(directory, (imagePath) =>
        timed(() => context.libcriu.dump(pid, { imagePath, leaveRunning: true, pageWriter })),
      );
    /** @param {string} name @param {() => Promise<number>} way */
    const variant = (name, way) => ({
      name,
      measure: async () => {
        // The disk has nothing left to do.
        await run('sync', []);
        return { bandwidth: (mebibytes / (await way())) * 1000 };
      },
    });
    return runRounds(
      [
        variant(names.ours, () => dump('parallel')),
        variant(names.criu, () => dump('criu')),
        variant(names.write, write),
        variant(names.limit, async () =>
          inC.libcriuWithSpare(harness, await context.criuEnvironment()),
        ),
      ],
      rounds,
      { warmUp: 1 },
    );
  });
}

/** @type {import('../lib/result.mjs').Group} */
export const large = {
  name: 'large',
  title: 'Much memory, images on a tmpfs and on a disk',
  rounds: 5,
  onRequest: true,
  async run(context, rounds) {
    /** @type {string[][]} */
    const table = [
      ['', ...Object.values(names).map((name) => `${name}, MiB/s (p10-p90)`), 'libcriu / write()'],
    ];
    /** @type {import('../lib/result.mjs').Target[]} */
    const targets = [];
    /** @type {string[]} */
    const missing = [];
    const places = { tmpfs: context.memoryDirectory, disk: context.directory };
    for (const [place, directory] of Object.entries(places)) {
      for (const size of sizes) {
        const what = `${size} MiB to a ${place}`;
        try {
          await requireRoom(size, directory);
        } catch (error) {
          if (!(error instanceof StepError)) throw error;
          missing.push(`${what}: ${error.message}`);
          continue;
        }
        // Of the largest, one takes as long as sixteen of the smallest.
        const fewer = size > 1024 ? Math.ceil(rounds / 2) : rounds;
        const samples = await measure(context, size, directory, fewer);
        const bandwidth = (/** @type {string} */ name) => samples.of(name, 'bandwidth');
        const target = ratio(
          `${what}: bandwidth / write()`,
          bandwidth(names.ours),
          bandwidth(names.write),
          { atLeast: place === 'tmpfs' ? 0.9 : 0.6 },
          { samples: bandwidth(names.limit), by: names.limit },
        );
        targets.push(target);
        const shown = Object.values(names).map((name) => {
          const { median, p10, p90 } = summarize(bandwidth(name));
          return `${digits(median)} (${digits(p10)}-${digits(p90)})`;
        });
        table.push([what, ...shown, target.value.toFixed(3)]);
      }
    }
    return { table, charts: [], targets, missing };
  },
};
