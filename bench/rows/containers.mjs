// @ts-check
import { Container } from '../lib/container.mjs';
import { containerSettings, dumpContainer, inC, requestWords } from '../lib/container-limit.mjs';
import { timed, withImages } from '../lib/context.mjs';
import { startSpare } from '../lib/dumps.mjs';
import { byLibcriu, byRuntime, byUs, startResting, whereTimeGoes } from '../lib/left-running.mjs';
import { ratio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/context.mjs').Context} Context */
/** @typedef {import('../lib/rounds.mjs').Variant} Variant */

const names = {
  runc: 'runc checkpoint',
  tuned: 'runc pause, checkpoint with nftables, resume',
  ours: 'libcriu, defaults',
  fast: "libcriu, profile: 'fast'",
  runcKill: 'runc checkpoint (kill)',
  oursKill: 'libcriu (kill)',
  inC,
  fastInC: `${inC}, 'fast'`,
  killInC: `${inC} (kill)`,
};

/**
 * @param {Context} context
 * @param {Container} container
 * @param {(imagePath: string) => Promise<number>} checkpoint
 */
function killed(context, container, checkpoint) {
  return async () => {
    await container.start();
    const wall = await withImages(context.memoryDirectory, checkpoint);
    return { wall };
  };
}

/**
 * The limit of {@link killed}. The runtime removes what is left.
 *
 * @param {Context} context
 * @param {Container} container
 */
function killedByLibcriu(context, container) {
  return async () => {
    await startSpare(context.harness, await context.criuEnvironment());
    await container.start();
    const words = await requestWords(container, containerSettings.nothing);
    const wall = await withImages(context.memoryDirectory, (imagePath) =>
      dumpContainer(context, imagePath, words),
    );
    await container.end();
    return { wall };
  };
}

/** @type {import('../lib/result.mjs').Group} */
export const containers = {
  name: 'containers',
  title: 'A container that runs, forks and writes',
  rounds: 20,
  async run(context, rounds, scope) {
    const plain = await startResting(context, scope);
    const tuned = await startResting(context, scope, { criuConfig: 'network-lock nftables\n' });
    const mortal = await Container.make(context, scope);
    const { libcriu } = context;

    /** @type {Variant[]} */
    const variants = [
      { name: names.runc, measure: byRuntime(context, plain) },
      { name: names.tuned, measure: byRuntime(context, tuned, { around: true }) },
      { name: names.ours, measure: byUs(context, plain) },
      { name: names.fast, measure: byUs(context, plain, { profile: 'fast' }) },
      {
        name: names.runcKill,
        measure: killed(context, mortal, (imagePath) =>
          mortal.runtime(...mortal.line('checkpoint', '--image-path', imagePath, mortal.id)),
        ),
      },
      {
        name: names.oursKill,
        measure: killed(context, mortal, (imagePath) =>
          timed(() => libcriu.checkpoint(mortal.id, { stateRoot: mortal.stateRoot, imagePath })),
        ),
      },
      ...[
        { name: names.inC, measure: byLibcriu(context, plain, containerSettings.nothing) },
        { name: names.fastInC, measure: byLibcriu(context, plain, containerSettings.fast) },
        { name: names.killInC, measure: killedByLibcriu(context, mortal) },
      ].map((variant) => ({ ...variant, every: limitEvery })),
    ];
    const samples = await runRounds(variants, rounds);

    /** @param {string} figure */
    const bars = (figure) => [
      { name: names.runc, samples: samples.of(names.runc, figure) },
      { name: names.tuned, samples: samples.of(names.tuned, figure) },
      { name: names.ours, samples: samples.of(names.ours, figure), ours: true },
      { name: names.fast, samples: samples.of(names.fast, figure), ours: true },
      ...(figure === 'reported'
        ? []
        : [names.inC, names.fastInC].map((name) => ({
            name,
            samples: samples.of(name, figure),
            limit: true,
          }))),
    ];
    /** @type {Readonly<Record<string, string>>} */
    const limits = {
      [names.ours]: names.inC,
      [names.fast]: names.fastInC,
      [names.oursKill]: names.killInC,
    };
    /**
     * @param {string} what
     * @param {string} figure
     * @param {string} name
     * @param {string} other
     * @param {number} atMost
     */
    const target = (what, figure, name, other, atMost) => {
      const by = limits[name] ?? '';
      const limit = { samples: samples.of(by, figure), by };
      return ratio(what, samples.of(name, figure), samples.of(other, figure), { atMost }, limit);
    };
    return {
      charts: [
        { title: 'Container left running: time of the checkpoint', unit: 'ms', bars: bars('wall') },
        {
          title: 'Container left running: pause that the application sees',
          unit: 'ms',
          bars: bars('pause'),
        },
        {
          title: 'Container left running: pause that is reported',
          unit: 'ms',
          // What runc pause and resume add is in no report.
          bars: bars('reported').filter(({ name }) => name !== names.tuned),
        },
        {
          title: 'Container killed: time of the checkpoint',
          unit: 'ms',
          bars: [
            { name: names.runcKill, samples: samples.of(names.runcKill, 'wall') },
            { name: names.oursKill, samples: samples.of(names.oursKill, 'wall'), ours: true },
            { name: names.killInC, samples: samples.of(names.killInC, 'wall'), limit: true },
          ],
        },
      ],
      targets: [
        target('container, left running: time / runc', 'wall', names.ours, names.runc, 0.1),
        target('container, left running: pause / runc', 'pause', names.ours, names.runc, 0.1),
        target('container, left running: time / tuned runc', 'wall', names.ours, names.tuned, 0.2),
        target(
          'container, left running: pause / tuned runc',
          'pause',
          names.ours,
          names.tuned,
          0.2,
        ),
        {
          what: 'container, left running: time beyond the pause',
          value: median(samples.of(names.ours, 'beyond')),
          unit: 'ms',
          atMost: 3,
          limit: { value: 0, by: 'a call that does nothing while the container goes on' },
        },
        target("container, profile: 'fast': time / runc", 'wall', names.fast, names.runc, 0.13),
        target('container, killed: time / runc', 'wall', names.oursKill, names.runcKill, 0.15),
      ],
      notes: [whereTimeGoes(samples, names.ours, 'left running')],
    };
  },
};
