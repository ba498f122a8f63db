// @ts-check
// A server that saves itself and ends by that. argv: options of checkpointSelf and `report` as JSON, then
// words. Requests: /life (what it was told), /random (numbers of the main thread, its worker, and of a
// function that was taken before), /exit.
import { randomInt, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Worker } from 'node:worker_threads';
import { afterRestore, checkpointSelf } from '../../../dist/index.js';

const { report, ...options } = JSON.parse(process.argv[2] ?? '{}');
const { random } = Math;
const index = new URL('../../../dist/index.js', import.meta.url).href;
const worker = new Worker(
  `const { parentPort } = require('node:worker_threads');
   const { randomUUID, randomInt } = require('node:crypto');
   let restored;
   import(${JSON.stringify(index)}).then(({ afterRestore }) => {
     afterRestore((event) => { restored = event; });
     randomUUID();
     Math.random();
     parentPort.on('message', (port) => {
       const numbers = [randomUUID(), randomInt(2 ** 40), Math.random()];
       port.postMessage({ restored, numbers });
     });
     parentPort.postMessage('ready');
   });`,
  { eval: true },
);
await new Promise((resolve) => worker.once('message', resolve));

/** @returns {Promise<{ restored: unknown, numbers: unknown[] }>} */
function askWorker() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.once('message', (answer) => {
      port1.close();
      resolve(answer);
    });
    worker.postMessage(port2, [port2]);
  });
}

/** @type {unknown} */
let heard;
afterRestore((event) => {
  heard = event;
});
/** @type {unknown} */
let told;

const server = createServer(async (request, response) => {
  response.setHeader('connection', 'close');
  /** @param {unknown} value */
  const answer = (value) => response.end(JSON.stringify(value));
  if (request.url === '/exit') process.exit();
  if (request.url === '/random') {
    const { numbers } = await askWorker();
    answer([randomUUID(), randomInt(2 ** 40), Math.random(), random(), ...numbers]);
    return;
  }
  const { restored } = await askWorker();
  answer({ told, heard, worker: restored, env: process.env, argv: process.argv.slice(2) });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
randomUUID();
randomInt(2);
Math.random();
await writeFile(report, `${JSON.stringify({ port, pid: process.pid })}\n`);
told = (await checkpointSelf(options)).data;
