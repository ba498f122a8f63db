// @ts-check
// A worker thread that dumps its processes, one after the other, some rounds.
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { dump } from '../../../dist/index.js';

const { pids, directory, rounds } = workerData;
const results = [];
for (let round = 0; round < rounds; round++) {
  for (const pid of pids) {
    const imagePath = join(directory, `${round}-${pid}`);
    results.push((await dump(pid, { leaveRunning: true, imagePath })).pid);
  }
}
parentPort?.postMessage(results);
