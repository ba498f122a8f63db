// @ts-check
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { freshPath } from '../lib/context.mjs';
import { busyMs } from '../lib/processor.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { median } from '../lib/statistics.mjs';
import { startWorkload } from '../lib/workload.mjs';

const count = 16;

const names = {
  single: 'one at a time',
  burst: `${count} at once`,
  spares: `${count} at once, a spare worker per core`,
};

/** @type {import('../lib/result.mjs').Group} */
export const concurrency = {
  name: 'concurrency',
  title: `${count} small processes`,
  rounds: 20,
  async run(context, rounds, scope) {
    const { Criu } = context.libcriu;
    /** @type {number[]} */
    const pids = [];
    for (let i = 0; i < count; i++) {
      pids.push(await startWorkload(context, scope, 'idle'));
    }
    let failures = 0;

    /**
     * Dumps into a fresh directory; images of another process count as a failure.
     *
     * @param {InstanceType<typeof Criu>} criu
     * @param {number} pid
     * @param {string[]} directories
     */
    const dumpOnce = async (criu, pid, directories) => {
      const imagePath = freshPath(context.memoryDirectory);
      directories.push(imagePath);
      try {
        await context.libcriu.dump(pid, { criu, imagePath, leaveRunning: true });
        if (!existsSync(join(imagePath, `core-${pid}.img`))) {
          throw new Error(`no image of ${pid} in its directory`);
        }
      } catch (error) {
        failures++;
        process.stderr.write(`bench: ${/** @type {Error} */ (error).message}\n`);
      }
    };
    /**
     * @param {string} name
     * @param {InstanceType<typeof Criu>} criu
     * @param {(dumpOne: (pid: number) => Promise<void>) => Promise<unknown>} work
     */
    const variant = (name, criu, work) => ({
      name,
      measure: async () => {
        /** @type {string[]} */
        const directories = [];
        const busy = busyMs();
        const start = performance.now();
        await work((pid) => dumpOnce(criu, pid, directories));
        const ms = performance.now() - start;
        const core = (busyMs() - busy) / count;
        for (const directory of directories) {
          await rm(directory, { recursive: true, force: true });
        }
        return { throughput: (count / ms) * 1000, wall: ms / count, core };
      },
    });
    /** @param {(pid: number) => Promise<void>} dumpOne */
    const atOnce = (dumpOne) => Promise.all(pids.map(dumpOne));
    const samples = await runRounds(
      [
        variant(names.single, new Criu(), async (dumpOne) => {
          for (const pid of pids) {
            await dumpOne(pid);
          }
        }),
        variant(names.burst, new Criu(), atOnce),
        variant(names.spares, new Criu({ workers: availableParallelism() }), atOnce),
      ],
      rounds,
    );
    /** @param {string} name */
    const throughput = (name) => samples.of(name, 'throughput');
    /** @param {string} figure */
    const single = (figure) => {
      const values = samples.of(names.single, figure);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    const cores = availableParallelism();
    const most = (cores * single('wall')) / single('core');
    return {
      charts: [
        {
          title: 'Dumps per second',
          unit: '1/s',
          bars: [
            { name: names.single, samples: throughput(names.single) },
            { name: names.burst, samples: throughput(names.burst), ours: true },
            { name: names.spares, samples: throughput(names.spares), ours: true },
          ],
        },
      ],
      targets: [
        {
          what: `${count} concurrent dumps: failures`,
          value: failures,
          unit: '',
          atMost: 0,
          limit: { value: 0, by: 'that none fails' },
        },
        {
          what: `${count} concurrent dumps: throughput / what the cores have room for`,
          value: median(throughput(names.burst)) / median(throughput(names.single)) / most,
          unit: 'x',
          atLeast: 0.9,
          limit: { value: 1, by: `${cores} cores that are busy all the time` },
        },
      ],
      notes: [
        `One at a time a dump takes ${single('wall').toFixed(1)} ms, in which the cores are busy for ${single('core').toFixed(1)} ms with it and with the start of the next worker: ${cores} cores have room for ${most.toFixed(2)} times as many.`,
      ],
    };
  },
};
