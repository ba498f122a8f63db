// @ts-check
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Container } from '../lib/container.mjs';
import { timed, withImages } from '../lib/context.mjs';
import { criuTime, makeRestores } from '../lib/restores.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';

const names = {
  runc: "runc restore of runc's images",
  ours: 'runc restore of our images',
  api: 'restoreContainer of our images',
  oursByLog: "runc restore of our images: CRIU's part, by its log",
  apiByLog: "restoreContainer: CRIU's part, by its log",
};

const processNames = {
  fromC: 'criu restore, spawned from C',
  spare: 'libcriu in C, a worker started ahead',
  ours: 'libcriu for Node.js, a spare worker ready',
};

/** @type {import('../lib/result.mjs').Group} */
export const restore = {
  name: 'restore',
  title: 'What restores faster',
  rounds: 20,
  async run(context, rounds, scope) {
    const container = await Container.make(context, scope);
    const restores = await makeRestores(context);
    const samples = await runRounds(
      [
        ...containerRestores(context, container),
        { name: processNames.fromC, measure: restores.programFromC },
        { name: processNames.spare, measure: restores.libcriuWithSpare },
        { name: processNames.ours, measure: restores.ours },
      ],
      rounds,
    );
    return { charts: chartsOf(samples), targets: targetsOf(samples) };
  },
};

/**
 * @param {import('../lib/context.mjs').Context} context
 * @param {Container} container
 * @returns {import('../lib/rounds.mjs').Variant[]}
 */
function containerRestores({ libcriu, memoryDirectory, runc }, container) {
  const { id, stateRoot, bundle } = container;
  /**
   * @param {(imagePath: string) => Promise<unknown>} checkpoint
   * @param {(imagePath: string) => Promise<number>} bringBack
   */
  const restored = (checkpoint, bringBack) => async () => {
    await container.start();
    const figures = await withImages(memoryDirectory, async (imagePath) => {
      await checkpoint(imagePath);
      const ms = await bringBack(imagePath);
      return { ms, criu: criuTime(join(container.restoreWork, 'restore.log')) };
    });
    await container.end();
    return figures;
  };
  /** @param {string} imagePath */
  const byRunc = (imagePath) =>
    container.runtime(...container.line('checkpoint', '--image-path', imagePath, id));
  /** @param {string} imagePath */
  const byUs = (imagePath) => libcriu.checkpoint(id, { stateRoot, imagePath });
  /** @param {string} imagePath */
  const plain = (imagePath) => container.restore(imagePath);
  /** @param {string} imagePath */
  const byApi = async (imagePath) => {
    const workPath = container.restoreWork;
    mkdirSync(workPath, { recursive: true });
    const options = { stateRoot, bundle, imagePath, workPath, runtime: runc };
    const ms = await timed(() => libcriu.restoreContainer(id, options));
    await container.settle(container.count());
    return ms;
  };
  return [
    { name: names.runc, measure: restored(byRunc, plain) },
    { name: names.ours, measure: restored(byUs, plain) },
    { name: names.api, measure: restored(byUs, byApi) },
  ];
}

/**
 * @param {import('../lib/rounds.mjs').Samples} samples
 * @returns {import('../lib/result.mjs').Chart[]}
 */
function chartsOf(samples) {
  /** @param {string} name */
  const ms = (name) => samples.of(name, 'ms');
  return [
    {
      title: 'Time of a restore of a container',
      unit: 'ms',
      bars: [
        { name: names.runc, samples: ms(names.runc) },
        { name: names.ours, samples: ms(names.ours), ours: true },
        { name: names.api, samples: ms(names.api), ours: true },
        { name: names.oursByLog, samples: samples.of(names.ours, 'criu'), limit: true },
        { name: names.apiByLog, samples: samples.of(names.api, 'criu'), limit: true },
      ],
    },
    {
      title: 'Time of a restore of a small process',
      unit: 'ms',
      bars: [
        { name: processNames.fromC, samples: ms(processNames.fromC) },
        { name: processNames.spare, samples: ms(processNames.spare), limit: true },
        { name: processNames.ours, samples: ms(processNames.ours), ours: true },
      ],
    },
  ];
}

/**
 * @param {import('../lib/rounds.mjs').Samples} samples
 * @returns {import('../lib/result.mjs').Target[]}
 */
function targetsOf(samples) {
  /** @param {string} name */
  const ms = (name) => samples.of(name, 'ms');
  return [
    ratio(
      "runc restore of our images / of runc's",
      ms(names.ours),
      ms(names.runc),
      { atMost: 0.45 },
      { samples: samples.of(names.ours, 'criu'), by: names.oursByLog },
    ),
    ratio(
      "restoreContainer / runc restore of runc's images",
      ms(names.api),
      ms(names.runc),
      { atMost: 0.45 },
      { samples: samples.of(names.api, 'criu'), by: names.apiByLog },
    ),
    ratio(
      'process restore / criu restore from C',
      ms(processNames.ours),
      ms(processNames.fromC),
      { atMost: 0.7 },
      { samples: ms(processNames.spare), by: processNames.spare },
    ),
  ];
}
