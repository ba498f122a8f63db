// @ts-check
// Sends requests to a server that runs, and prints how many it answers and how fast:
//   node examples/function-server/measure.mjs [--port N] [--seconds N] [--clients N] [--path PATH]
import { Agent, get } from 'node:http';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    seconds: { type: 'string', default: '10' },
    clients: { type: 'string', default: '4' },
    path: { type: 'string', default: '/hash?of=7' },
  },
});
const agent = new Agent({ keepAlive: true });

/** @returns {Promise<{ status: number | undefined, ms: number }>} */
function ask() {
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: Number(values.port), path: values.path, agent };
    get(options, (response) => {
      response.resume();
      response.once('end', () =>
        resolve({ status: response.statusCode, ms: performance.now() - since }),
      );
    }).once('error', reject);
  });
}

/** @type {number[]} */
const times = [];
let failed = 0;
const begin = performance.now();
const end = begin + Number(values.seconds) * 1000;
await Promise.all(
  Array.from({ length: Number(values.clients) }, async () => {
    while (performance.now() < end) {
      const { status, ms } = await ask();
      if (status === 200) times.push(ms);
      else failed++;
    }
  }),
);
const seconds = (performance.now() - begin) / 1000;
times.sort((one, other) => one - other);
/** @param {number} share */
const at = (share) => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
console.log(
  `${(times.length / seconds).toFixed(0)} requests/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${failed} failed`,
);
agent.destroy();
