// @ts-check
// A Node process with several workers that dump at the same time, and a dump of the main thread.
// argv: directory, pids as JSON, one a worker.
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { dump } from '../../../dist/index.js';

const [directory = '', text = '[]'] = process.argv.slice(2);
const pids = JSON.parse(text);
const dumped = await Promise.all(
  pids.map(
    (/** @type {number} */ pid) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL('./dump-worker.mjs', import.meta.url), {
          workerData: { pids: [pid], directory, rounds: 5 },
        });
        /** @type {unknown} */
        let results;
        worker.once('message', (message) => {
          results = message;
        });
        worker.once('error', reject);
        worker.once('exit', (code) =>
          code === 0 ? resolve(results) : reject(new Error(`exit ${code}`)),
        );
      }),
  ),
);
const last = await dump(pids[0], { leaveRunning: true, imagePath: join(directory, 'main') });
console.log(JSON.stringify({ dumped, last: last.pid }));
