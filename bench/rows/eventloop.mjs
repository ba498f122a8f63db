// @ts-check
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { freshPath } from '../lib/context.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { median } from '../lib/statistics.mjs';
import { startWorkload } from '../lib/workload.mjs';

const count = 16;
const windowMs = 300;
const resolutionMs = 1;

const names = {
  idle: 'idle',
  one: 'one dump after the other',
  many: `${count} dumps at once, again and again`,
  foreignOne: 'the same dumps by another process, one after the other',
  foreignMany: 'the same dumps by other processes, one for each core',
};

/** @type {import('../lib/result.mjs').Group} */
export const eventloop = {
  name: 'eventloop',
  title: 'The event loop during dumps',
  rounds: 20,
  async run(context, rounds, scope) {
    /** @type {number[]} */
    const pids = [];
    for (let i = 0; i < count; i++) {
      pids.push(await startWorkload(context, scope, 'idle'));
    }
    /** @type {string[]} */
    const directories = [];
    /** @param {number} pid */
    const dump = (pid) => {
      const imagePath = freshPath(context.memoryDirectory);
      directories.push(imagePath);
      return context.libcriu.dump(pid, { imagePath, leaveRunning: true });
    };

    // The control: this process does nothing, and shares its cores with as many criu processes.
    const harnesses = Array.from({ length: availableParallelism() }, () =>
      context.startHarness(scope),
    );
    /**
     * @param {import('../lib/harness.mjs').Harness} harness
     * @param {number} index
     */
    const foreignDump = (harness, index) => {
      const imagePath = freshPath(context.memoryDirectory);
      directories.push(imagePath);
      return harness.command('dump', 'fork', pids[index] ?? 0, imagePath, 'leave_running', 1);
    };

    /**
     * A timer fires every millisecond or so; what lies between two times is what is recorded.
     *
     * @param {string} name
     * @param {() => Promise<unknown>} work
     */
    const watched = (name, work) => ({
      name,
      measure: async () => {
        const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
        monitor.enable();
        const end = performance.now() + windowMs;
        while (performance.now() < end) {
          await work();
        }
        monitor.disable();
        for (const directory of directories.splice(0)) {
          await rm(directory, { recursive: true });
        }
        return {
          p50: monitor.percentile(50) / 1e6,
          p99: monitor.percentile(99) / 1e6,
          max: monitor.max / 1e6,
        };
      },
    });
    const samples = await runRounds(
      [
        { ...watched(names.idle, () => delay(20)), every: 4 },
        watched(names.one, () => dump(/** @type {number} */ (pids[0]))),
        watched(names.many, () => Promise.all(pids.map(dump))),
        watched(names.foreignOne, () =>
          foreignDump(/** @type {import('../lib/harness.mjs').Harness} */ (harnesses[0]), 0),
        ),
        watched(names.foreignMany, () => Promise.all(harnesses.map(foreignDump))),
      ],
      rounds,
    );
    const period = median(samples.of(names.idle, 'p50'));
    /** @param {string} name */
    const p99 = (name) => median(samples.of(name, 'p99')) - period;
    /** @param {string} name */
    const max = (name) => Math.max(...samples.of(name, 'max')) - period;
    /** @param {string} figure */
    const bars = (figure) =>
      Object.values(names).map((name) => ({
        name,
        samples: samples.of(name, figure).map((ms) => ms - period),
        ours: name === names.one || name === names.many,
      }));
    /**
     * @param {string} what
     * @param {string} name
     * @param {string} foreign
     * @returns {import('../lib/result.mjs').Target}
     */
    const target = (what, name, foreign) => ({
      what: `event loop delay during ${what}: p99 / the same dumps by other processes`,
      value: p99(name) / p99(foreign),
      unit: 'x',
      atMost: 1.15,
      limit: { value: 1, by: 'the same dumps, made by other processes' },
    });
    return {
      charts: [
        { title: 'Delay, p99 of each round', unit: 'ms', bars: bars('p99') },
        { title: 'Delay, longest of each round', unit: 'ms', bars: bars('max') },
      ],
      targets: [
        target('one dump', names.one, names.foreignOne),
        target(`${count} dumps`, names.many, names.foreignMany),
      ],
      notes: [
        `Less the ${period.toFixed(2)} ms that the timer takes when idle; p99 is the median of the rounds, max the longest of all. p99 and max are, idle: ${p99(names.idle).toFixed(2)} and ${max(names.idle).toFixed(2)} ms; in one dump ${p99(names.one).toFixed(2)} and ${max(names.one).toFixed(2)}, made by another process ${p99(names.foreignOne).toFixed(2)} and ${max(names.foreignOne).toFixed(2)}; in ${count} dumps ${p99(names.many).toFixed(2)} and ${max(names.many).toFixed(2)}, made by others ${p99(names.foreignMany).toFixed(2)} and ${max(names.foreignMany).toFixed(2)}.`,
      ],
    };
  },
};
