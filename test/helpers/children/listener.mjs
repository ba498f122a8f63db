// @ts-check
// A server that stops to listen before it saves itself, and listens anew in each new life. argv: the images
// directory. `data` of a new life: { id, report }, where it writes its port to. It answers with what is its own.
import { randomInt, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { afterRestore, beforeCheckpoint, checkpointSelf } from '../../../dist/index.js';

const cache = new Map([['warm', randomUUID()]]);
/** @type {{ id: number, report: string } | undefined} */
let life;

const server = createServer((_request, response) => {
  response.setHeader('connection', 'close');
  const numbers = [randomUUID(), randomInt(2 ** 40), Math.random()];
  response.end(JSON.stringify({ id: life?.id, warm: cache.get('warm'), numbers }));
});

/** @returns {Promise<number>} the port */
function listen() {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
    });
  });
}

await listen();
beforeCheckpoint(() => new Promise((resolve) => server.close(() => resolve(undefined))));
afterRestore(async ({ data }) => {
  life = /** @type {{ id: number, report: string }} */ (data);
  writeFileSync(life.report, String(await listen()));
});
await checkpointSelf({ imagePath: process.argv[2] });
