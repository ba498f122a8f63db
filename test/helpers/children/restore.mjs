// @ts-check
// A Node process that restores and does something on the way. argv: options as JSON (imagePath, when:
// a hook's name or milliseconds, how: sigkill, exit, kill-criu; the others are restore's).
// Prints one line of JSON with what came of it.
import { restore } from '../../../dist/index.js';
import { criuPids, signal } from './criu-pids.mjs';

const { imagePath, when, how, ...options } = JSON.parse(process.argv[2] ?? '{}');

function act() {
  if (how === 'sigkill') process.kill(process.pid, 'SIGKILL');
  if (how === 'exit') process.exit(3);
  if (how === 'kill-criu') signal(criuPids(), 'SIGKILL');
}

const hooks =
  typeof when === 'string'
    ? {
        [when]: () => {
          act();
          // CRIU's death ends the waiting.
          return how === 'kill-criu' ? new Promise(() => {}) : undefined;
        },
      }
    : {};
if (typeof when === 'number') setTimeout(act, when);
const outcome = await restore(imagePath, { ...options, hooks }).then(
  ({ pid }) => ({ pid }),
  (/** @type {any} */ { code, message }) => ({ code, message }),
);
process.stdout.write(`${JSON.stringify(outcome)}\n`);
// A child would keep it alive.
process.exit(0);
