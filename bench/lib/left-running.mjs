// @ts-check
// Checkpoints of a container that is left running, by a runtime and by us.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container } from './container.mjs';
import { dumpContainer, requestWords } from './container-limit.mjs';
import { timed, withImages } from './context.mjs';
import { startSpare } from './dumps.mjs';

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
    let reported = Number.NaN;
    const wall = await timed(async () => {
      const { timings } = await context.libcriu.checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath,
        leaveRunning: true,
        ...options,
      });
      reported = timings.pauseMs ?? Number.NaN;
    });
    return { wall, reported };
  });
}

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
