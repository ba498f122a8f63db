// @ts-check
// An HTTP server that checkpoints itself when it is warm. argv: options of checkpointSelf as JSON, then
// words: uncached (nothing in the cache), throws (a handler that does), connected (a connection to
// itself that stays open). Requests: /cached, /check, /random, /events, /again (another checkpoint), /exit.
import { pbkdf2, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gunzip, gzip } from 'node:zlib';
import { afterRestore, beforeCheckpoint, checkpointSelf } from '../../../dist/index.js';

const [text = '{}', ...words] = process.argv.slice(2);
const options = JSON.parse(text);

/** @type {string[]} */
const events = [];
/** @type {object[]} */
const results = [];
const cache = new Map([['/cached', 'warm']]);
let ticks = 0;
setInterval(() => {
  ticks++;
}, 5);
const worker = new Worker(
  `let count = 0;
   require('node:worker_threads').parentPort.on('message', (port) => port.postMessage(++count));`,
  { eval: true },
);

/** What a worker thread has counted. */
function askWorker() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.once('message', (count) => {
      port1.close();
      resolve(count);
    });
    worker.postMessage(port2, [port2]);
  });
}

async function check() {
  const before = ticks;
  await sleep(50);
  const key = await promisify(pbkdf2)('secret', 'salt', 1000, 16, 'sha256');
  const packed = await promisify(gzip)('some text');
  const path = `${options.report}.file`;
  await writeFile(path, 'content');
  return {
    ticks: ticks - before,
    key: key.toString('hex'),
    text: String(await promisify(gunzip)(packed)),
    file: await readFile(path, 'utf8'),
    worker: await askWorker(),
  };
}

/** @type {Record<string, () => unknown>} */
const routes = {
  '/check': check,
  '/random': () => [randomBytes(8).toString('hex'), randomUUID(), randomInt(2 ** 40)],
  '/events': () => events,
  '/results': () => results,
  '/exit': () => process.exit(),
};

const server = createServer(async (request, response) => {
  response.setHeader('connection', 'close');
  const path = request.url ?? '';
  response.end(cache.get(path) ?? JSON.stringify((await routes[path]?.()) ?? 'cold'));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
const address = /** @type {import('node:net').AddressInfo} */ (server.address());
if (words.includes('connected')) {
  const socket = connect(address.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
}
// What Node makes ahead of random numbers is in the images.
randomUUID();
randomInt(2);
await askWorker();

beforeCheckpoint(() => {
  events.push('before 1');
  return (/** @type {unknown} */ event) => events.push(`goes on 1 ${JSON.stringify(event)}`);
});
const unregister = beforeCheckpoint(() => events.push('never'));
unregister();
beforeCheckpoint(async () => {
  await sleep(5);
  events.push('before 2');
  return () => events.push('goes on 2');
});
afterRestore(() => events.push('after 1'));
afterRestore(async () => {
  await sleep(5);
  events.push('after 2');
});
if (words.includes('throws')) {
  beforeCheckpoint(() => {
    throw new Error('not now');
  });
}

const { report, ...given } = options;
await writeFile(report, `${JSON.stringify({ port: address.port, pid: process.pid })}\n`);
try {
  const { restored, stats, logFile, warnings, durationMs } = await checkpointSelf(given);
  events.push(`restored ${restored} ${stats === undefined ? 'without' : 'with'} stats`);
  results.push({ logFile, warnings, durationMs });
} catch (error) {
  const { code, message, stage } = /** @type {any} */ (error);
  events.push(`failed ${JSON.stringify({ code, message, stage })}`);
}
// A request meanwhile would be a connection in flight.
await writeFile(`${report}.answered`, '');
