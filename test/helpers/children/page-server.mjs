// @ts-check
// A Node process with a page server that is in the middle of a transfer. argv: its directory, then
// what: sigkill, exit, terminate (a worker thread that has it).
// Prints one line of JSON: its port and, of the first two, the pid of its criu.

import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { startPageServer } from '../../../dist/index.js';

const [imagePath = '', what = ''] = isMainThread ? process.argv.slice(2) : workerData;

function servingCriu() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((pid) => {
      try {
        const parent = readFileSync(`/proc/${pid}/stat`, 'latin1')
          .split(') ')
          .at(-1)
          ?.split(' ')[1];
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return (
          line.includes('page-server') && line.includes('criu') && Number(parent) === process.pid
        );
      } catch {
        return false;
      }
    });
}

/** @param {unknown} outcome */
const report = (outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`);

if (what === 'terminate' && isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: [imagePath, what] });
  const started = await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  report(started);
} else {
  const { port } = await startPageServer({ imagePath, address: '127.0.0.1' });
  // Less than a whole record, so that it waits for the rest.
  connect(port, '127.0.0.1').write('abc');
  let criu = servingCriu();
  for (; criu === undefined; criu = servingCriu()) await sleep(5);
  const outcome = { port, criu: Number(criu) };
  if (what === 'terminate') {
    parentPort?.postMessage(outcome);
    await sleep(60_000);
  }
  report(outcome);
  if (what === 'sigkill') process.kill(process.pid, 'SIGKILL');
  process.exit(3);
}
