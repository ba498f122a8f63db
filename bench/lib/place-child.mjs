// @ts-check
// What runs in a place of its own (place.mjs): starts a container in an engine, and checkpoints it by the engine,
// by us and by libcriu in C, each time when it is asked to. All that it leaves ends with its namespaces.
import { StepError } from '../../tools/process.mjs';
import { Container } from './container.mjs';
import { containerSettings } from './container-limit.mjs';
import { openContext } from './context.mjs';
import { crunWithCriu, docker, podman, startIn } from './engine-container.mjs';
import { byLibcriu, byRuntime, byUs, leftRunning } from './left-running.mjs';
import { Scope } from './scope.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {import('./place.mjs').Way} Way */
/** @typedef {Record<Way, () => Promise<Record<string, number>>>} Ways */

/**
 * @param {Context} context
 * @param {import('./engine-container.mjs').Engine} engine
 * @returns {Promise<{version: string, ways: Ways}>}
 */
async function inEngine(context, engine) {
  const container = await startIn(context, engine);
  await container.rest();
  const theirs = leftRunning(context, container, async () => ({
    wall: await container.checkpoint(),
  }));
  return { version: engine.version, ways: { theirs, ...oursOf(context, container) } };
}

/**
 * @param {Context} context
 * @returns {ReturnType<typeof inEngine>}
 */
async function inCrun(context) {
  const crun = await crunWithCriu();
  if (crun === undefined) {
    throw new StepError('there is no crun with CRIU');
  }
  const container = await Container.make(context, new Scope(), { program: crun.program });
  await container.start();
  await container.rest();
  const theirs = byRuntime(context, container);
  return { version: crun.version, ways: { theirs, ...oursOf(context, container) } };
}

/**
 * @param {Context} context
 * @param {import('./ticking.mjs').TickingContainer} container
 */
function oursOf(context, container) {
  return {
    ours: byUs(context, container),
    inC: byLibcriu(context, container, containerSettings.nothing),
  };
}

/** @type {Readonly<Record<string, (context: Context) => ReturnType<typeof inEngine>>>} */
const engines = {
  docker: async (context) => inEngine(context, await docker(context)),
  podman: async (context) => inEngine(context, await podman(context)),
  crun: inCrun,
};

/** @type {Ways | undefined} */
let ways;

/**
 * @param {import('./place.mjs').Question} question
 * @returns {Promise<unknown>}
 */
async function answer(question) {
  if ('way' in question) {
    return await ways?.[question.way]();
  }
  const found = await engines[question.engine]?.(await openContext(new Scope()));
  ways = found?.ways;
  return found?.version;
}

process.on('message', async (/** @type {import('./place.mjs').Question} */ question) => {
  try {
    process.send?.({ value: await answer(question) });
  } catch (error) {
    const { message, stack } = /** @type {Error} */ (error);
    process.send?.(error instanceof StepError ? { reason: message } : { error: stack });
  }
});
process.on('disconnect', () => process.exit());
