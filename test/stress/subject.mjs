// @ts-check
// The Node process under stress: it performs what its parent asks for, with the built package, and
// tells how each call has settled. See subject.ts, which is the parent's side.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as libcriu from '../../dist/index.js';

/** @typedef {import('./subject.ts').Request} Request */

/** @type {Map<string, (value: unknown) => void>} */
const heldHooks = new Map();
/** @type {Map<number, Worker>} */
const workers = new Map();

/** @param {Record<string, unknown>} message */
function say(message) {
  if (isMainThread) process.send?.(message);
  else parentPort?.postMessage(message);
}

/** @param {any} error */
function describe(error) {
  return {
    name: error?.name,
    code: error?.code,
    stage: error?.stage,
    message: String(error?.message ?? error),
  };
}

/** @type {Record<string, (target: any, options: any) => Promise<unknown>>} */
const calls = {
  dump: (pid, options) => libcriu.dump(pid, options),
  preDump: (pid, options) => libcriu.preDump(pid, options),
  checkpoint: (id, options) => libcriu.checkpoint(id, options),
  restore: (imagePath, options) => libcriu.restore(imagePath, options),
  check: () => libcriu.check(),
  version: () => libcriu.version(),
  features: () => libcriu.features(),
  explain: (target) => libcriu.explain(target),
  close: () => libcriu.close(),
  async pageServer(imagePath) {
    const server = await libcriu.startPageServer({ imagePath, address: '127.0.0.1' });
    const ended = server.finished.catch(() => {});
    await server.close();
    await ended;
    return undefined;
  },
};

/** @param {Request} request */
async function perform({ id, call, target, options = {}, hooks = [], abortAfterMs, criu }) {
  const handlers = Object.fromEntries(
    hooks.map((hook) => [
      hook,
      () =>
        new Promise((resolve) => {
          heldHooks.set(`${id} ${hook}`, resolve);
          say({ id, hook });
        }),
    ]),
  );
  const all = {
    ...options,
    ...(hooks.length > 0 ? { hooks: handlers } : {}),
    ...(abortAfterMs === undefined ? {} : { signal: AbortSignal.timeout(abortAfterMs) }),
    ...(criu === undefined ? {} : { criu: new libcriu.Criu(criu) }),
  };
  const start = performance.now();
  const settled = (/** @type {Record<string, unknown>} */ how) =>
    say({ id, settled: { ...how, ms: performance.now() - start } });
  say({ id, started: true });
  try {
    const value = /** @type {any} */ (await calls[call]?.(target, all));
    const { pid, imagePath, warnings } = value ?? {};
    settled({ ok: true, pid, imagePath, warnings });
  } catch (error) {
    settled({ ok: false, error: describe(error) });
  }
}

/**
 * Rounds of dumps without a word in between, as a service makes them for days.
 *
 * @param {{id: number, call: string, target: any, options: any, rounds: number, remove: string}} request
 */
async function soak({ id, call, target, options, rounds, remove }) {
  const { rm } = await import('node:fs/promises');
  let failed = 0;
  /** @type {unknown} */
  let last;
  for (let round = 0; round < rounds; round++) {
    try {
      await calls[call]?.(target, options);
    } catch (error) {
      failed++;
      last = describe(error);
    }
    await rm(remove, { recursive: true, force: true });
  }
  globalThis.gc?.();
  say({ id, soaked: { failed, last, memory: process.memoryUsage() } });
}

/** @param {Request} request */
function performInWorker(request) {
  const worker = new Worker(new URL(import.meta.url), { workerData: request });
  workers.set(request.id, worker);
  worker.on('message', say);
  worker.once('error', (error) => say({ id: request.id, stray: describe(error) }));
  worker.once('exit', (code) => {
    workers.delete(request.id);
    say({ id: request.id, ended: code });
  });
}

/** @param {any} message */
async function obey(message) {
  switch (message.type) {
    case 'perform':
      if (message.inWorker) performInWorker(message);
      else await perform(message);
      break;
    case 'resume':
      heldHooks.get(`${message.id} ${message.hook}`)?.(undefined);
      heldHooks.delete(`${message.id} ${message.hook}`);
      workers.get(message.id)?.postMessage(message);
      break;
    case 'terminate':
      await workers.get(message.id)?.terminate();
      break;
    case 'soak':
      await soak(message);
      break;
    case 'exit':
      process.exit(message.code);
      break;
    case 'ping':
      say({ id: message.id, pong: true });
  }
}

for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error) => say({ id: 0, stray: describe(error) }));
}

if (isMainThread) {
  process.on('message', obey);
  process.on('disconnect', () => process.exit());
  say({ id: 0, ready: true });
} else {
  parentPort?.on('message', obey);
  await perform(workerData);
  parentPort?.close();
}
