// @ts-check
// A Node process that dumps and does something at the moment when criu writes memory pages.
// argv: pid or container id, options as JSON, then what: wait, exit, sigkill, kill-criu, stop-criu,
// terminate; exit-serving and sigkill-serving when it serves pages.
// Prints one line of JSON with what came of it.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { checkpoint, dump } from '../../../dist/index.js';
import { criuPids, signal } from './criu-pids.mjs';

const [target = '', text = '{}', what = 'wait'] = process.argv.slice(2);
const isProcess = /^\d+$/.test(target);
const options = JSON.parse(text);
// One whose end would show waits there, so that a machine that stands still cannot let it pass.
let isAtEnd = false;
if (what === 'kill-criu' || (!isProcess && /^(exit|sigkill)$/.test(what))) {
  options.hooks = {
    postDump: () => {
      isAtEnd = true;
      return new Promise(() => {});
    },
  };
}

async function pagesAreWritten() {
  const pages = join(options.imagePath, 'pages-1.img');
  while (!existsSync(pages) || statSync(pages).size === 0) await sleep(1);
}

/** @param {Record<string, unknown>} outcome */
function report(outcome) {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

const start = () => (isProcess ? dump(Number(target), options) : checkpoint(target, options));

if (what === 'terminate') {
  const worker = new Worker(new URL('./dump-worker.mjs', import.meta.url), {
    workerData: { pids: [Number(target)], directory: options.imagePath, rounds: 1 },
  });
  const pages = join(options.imagePath, `0-${target}`, 'pages-1.img');
  while (!existsSync(pages) || statSync(pages).size === 0) await sleep(1);
  report({ exitCode: await worker.terminate() });
  // The process and its addon are as good as before.
  const imagePath = `${options.imagePath}-again`;
  for (;;) {
    try {
      await dump(Number(target), { ...options, imagePath });
      break;
    } catch {
      // The cancelled dump may still be letting go of the process.
      await sleep(50);
    }
  }
} else {
  const started = start();
  const dumping = started.then(
    (/** @type {unknown} */ result) => ({ result }),
    (/** @type {any} */ error) => ({
      code: error.code,
      message: error.message,
      stage: error.stage,
    }),
  );
  if (/-serving$/.test(what)) {
    await started.statusReady;
    if (what === 'exit-serving') process.exit(3);
    process.kill(process.pid, 'SIGKILL');
  }
  if (what !== 'wait') await pagesAreWritten();
  if (what === 'exit') {
    report({ exiting: criuPids() });
    process.exit(3);
  }
  if (what === 'sigkill') {
    report({ dying: criuPids() });
    process.kill(process.pid, 'SIGKILL');
  }
  if (what === 'kill-criu') {
    // Before that a process can die by it, in the middle of criu's code (docs/abort.md).
    while (!isAtEnd) await sleep(1);
    signal(criuPids(), 'SIGKILL');
  }
  if (what === 'stop-criu') {
    const stopped = criuPids();
    signal(stopped, 'SIGSTOP');
    await sleep(300);
    signal(stopped, 'SIGCONT');
  }
  report(await dumping);
}
