// @ts-check
// Checkpoints of a container that is left running, by a runtime and by us.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digits } from '../report/text.mjs';
import { Container } from './container.mjs';
import { dumpContainer, requestWords } from './container-limit.mjs';
import { withImages } from './context.mjs';
import { startSpare } from './dumps.mjs';
import { median } from './statistics.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {import('./ticking.mjs').TickingContainer} TickingContainer */
/** @typedef {import('./container-limit.mjs').Settings} Settings */

/**
 * A container that is left running: how long the checkpoint takes, how long it stands still by
 * what is reported, and by its own ticker.
 *
 * @template {Record<string, number>} Figures
 * @param {Context} context
 * @param {TickingContainer} container
 * @param {(imagePath: string) => Promise<Figures>} checkpoint
 * @param {() => Promise<unknown>} [prepare] what is done before the container runs
 */
export function leftRunning(context, container, checkpoint, prepare) {
  return () =>
    withImages(context.memoryDirectory, async (imagePath) => {
      await prepare?.();
      await container.wake();
      try {
        container.resetPause();
        const figures = await checkpoint(imagePath);
        return { ...figures, pause: await container.pause() };
      } finally {
        await container.rest();
      }
    });
}

/**
 * @param {Context} context
 * @param {Container} container
 * @param {object} [settings]
 * @param {boolean} [settings.around] with runc pause and runc resume around it
 * @param {readonly string[]} [settings.flags] more of its flags
 */
export function byRuntime(context, container, { around = false, flags = [] } = {}) {
  const { id } = container;
  return leftRunning(context, container, async (imagePath) => {
    const images = [...flags, '--leave-running', '--image-path', imagePath];
    const checkpoint = container.line('checkpoint', ...images, id);
    const wall = await (around
      ? container.runtime(
          ...container.line('pause', id),
          '&&',
          ...checkpoint,
          '&&',
          ...container.line('resume', id),
        )
      : container.runtime(...checkpoint));
    const stats = context.decodeStats(readFileSync(join(imagePath, 'stats-dump')));
    return {
      wall,
      reported: stats ? (stats.freezingTimeUs + stats.frozenTimeUs) / 1000 : Number.NaN,
    };
  });
}

/**
 * @param {Context} context
 * @param {TickingContainer} container
 * @param {import('../../lib/index.js').CheckpointOptions} [options]
 */
export function byUs(context, container, options = {}) {
  return leftRunning(context, container, async (imagePath) => {
    const start = performance.now();
    const { timings } = await context.libcriu.checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath,
      leaveRunning: true,
      ...options,
    });
    const wall = performance.now() - start;
    const { pauseMs: reported = Number.NaN } = timings;
    return { wall, reported, beyond: wall - reported, ...partsOf(timings) };
  });
}

/** What a call does while the container goes on, by our timings. */
const beyond = {
  queuedMs: 'finding the container, and checks',
  prepareMs: 'the last checks and locks',
  workerReadyMs: 'the worker and the directory',
  finishMs: 'reading the results',
};

/** What CRIU does in the pause, by our timings' stages. */
const stages = {
  prepareMs: 'preparing',
  freezeMs: 'stopping the tasks',
  networkLockMs: 'locking the network',
  namespacesMs: 'namespaces',
  processesMs: 'processes',
  memoryMs: 'memory',
  cgroupsMs: 'cgroups',
  mountsMs: 'mounts',
  networkUnlockMs: 'unlocking the network',
  resumeMs: 'letting them go',
};

/**
 * The parts of a checkpoint by their titles.
 *
 * @param {import('../../lib/index.js').CheckpointResult['timings']} timings
 * @returns {Record<string, number>}
 */
function partsOf(timings) {
  const outside = entries(beyond).map(([name, title]) => [title, timings[name]]);
  const inside = entries(stages).map(([name, title]) => [title, timings.stages[name] ?? 0]);
  return Object.fromEntries([...outside, ...inside]);
}

/**
 * @template {string} Name
 * @param {Record<Name, string>} titles
 */
function entries(titles) {
  return /** @type {[Name, string][]} */ (Object.entries(titles));
}

/**
 * Where the time of {@link byUs} goes, in words: medians.
 *
 * @param {import('./rounds.mjs').Samples} samples
 * @param {string} name the variant
 * @param {string} what the container
 */
export function whereTimeGoes(samples, name, what) {
  /** @param {Record<string, string>} titles */
  const told = (titles) =>
    Object.values(titles)
      .map((title) => ({ title, ms: median(samples.of(name, title)) }))
      .filter(({ ms }) => ms >= shownMs)
      .map(({ title, ms }) => `${title} ${digits(ms)}`)
      .join(', ');
  return `Where our milliseconds go, ${what}: in the pause ${told(stages)}; beyond it ${told(beyond)}.`;
}

/** What is less is not told. */
const shownMs = 0.1;

/**
 * The limit of {@link byUs}.
 *
 * @param {Context} context
 * @param {TickingContainer} container
 * @param {Settings} settings
 */
export function byLibcriu(context, container, settings) {
  /** @type {readonly (string | number)[]} */
  let words;
  return leftRunning(
    context,
    container,
    async (imagePath) => ({ wall: await dumpContainer(context, imagePath, words) }),
    async () => {
      words = await requestWords(container, { ...settings, leave_running: 1 });
      await startSpare(context.harness, await context.criuEnvironment());
    },
  );
}

/**
 * A container that has the processor only while it is measured.
 *
 * @param {Context} context
 * @param {import('../lib/scope.mjs').Scope} scope
 * @param {Parameters<typeof Container.make>[2]} [settings]
 */
export async function startResting(context, scope, settings) {
  const container = await Container.make(context, scope, settings);
  await container.start();
  await container.rest();
  return container;
}
