// @ts-check
// Dumps a process from another Node process, and says on one line what came of it.
// argv: pid, images directory; `hold` keeps it in its last hook until standard input ends.
import { once } from 'node:events';
import { dump } from '../../../dist/index.js';

const [pid = '', imagePath = '', hold] = process.argv.slice(2);
const hooks = {
  async postDump() {
    process.stdout.write('held\n');
    if (hold === 'hold') await once(process.stdin.resume(), 'end');
  },
};
const outcome = await dump(Number(pid), { imagePath, hooks }).then(
  () => 'resolved',
  (/** @type {Error & { code?: string }} */ error) => error.code ?? error.message,
);
process.stdout.write(`${outcome}\n`);
