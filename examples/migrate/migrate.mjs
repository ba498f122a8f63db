// @ts-check
// Moves a server from one host to another in three ways, and shows in a table what a client notices.
// Hosts are namespaces, so it needs nothing but root and a built package:
//   node examples/migrate/migrate.mjs [--memory MIB] [--rate RATE] [WAY...]
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ways } from './ways.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    memory: { type: 'string', default: '256' },
    rate: { type: 'string', default: '1gbit' },
  },
});
const chosen = positionals.length > 0 ? positionals : Object.keys(ways);
const program = fileURLToPath(new URL('measure.mjs', import.meta.url));

const rows = chosen.map((way) => {
  // A network namespace for client and links, so that nothing is left in ours.
  const args = ['--net', process.execPath, program, way, values.memory, values.rate];
  const { status, stdout } = spawnSync('unshare', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) process.exit(1);
  /** @type {import('./measure.mjs').Measured} */
  const { downtimeMs, totalMs, unavailable } = JSON.parse(stdout);
  return unavailable === undefined
    ? { way, 'downtime (ms)': Math.round(downtimeMs ?? 0), 'total (ms)': Math.round(totalMs ?? 0) }
    : { way, 'downtime (ms)': unavailable };
});
console.log(`A server with ${values.memory} MiB, over ${values.rate}:`);
console.table(rows);
