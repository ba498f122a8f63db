// @ts-check
// A program that saves itself and ends by that, for pools. argv: options of checkpointSelf as JSON. Tasks:
// [name, argument]. Messages are sent back.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkpointSelf, onTask } from '../../../dist/index.js';

let uses = 0;
/** @type {unknown} */
let told;

/** @type {Record<string, (argument: any) => unknown>} */
const tasks = {
  echo: (argument) => argument,
  count: () => ++uses,
  data: () => told,
  life: () => ({ argv: process.argv.slice(2), NAME: process.env['NAME'] }),
  record: ({ file, id }) => {
    appendFileSync(file, `${id}\n`);
    return sleep(1 + Math.random() * 10, id);
  },
  sleep: (ms) => sleep(ms, ms),
  spin: (ms) => {
    for (const end = Date.now() + ms; Date.now() < end; );
  },
  exit: (code) => process.exit(code),
  fail: () => {
    throw Object.assign(new RangeError('no such page'), { code: 'ENOENT' });
  },
  throw: (argument) => {
    throw argument;
  },
  unsendable: () => () => {},
  stubborn: () => void process.on('SIGTERM', () => {}),
  late: () => void setTimeout(() => channel?.send('late'), 50),
};
onTask((task) => {
  const [name, argument] = /** @type {[string, unknown]} */ (task);
  return tasks[name]?.(argument);
});
const { channel, data } = await checkpointSelf(JSON.parse(process.argv[2] ?? '{}'));
told = data;
if (data === 'die') process.exit(3);
channel?.on('message', (message) => channel.send(['back', message]));
