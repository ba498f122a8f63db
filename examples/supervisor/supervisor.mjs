// @ts-check
// Runs a container, saves it again and again, and brings it back from its last snapshot when it has ended:
//   node examples/supervisor/supervisor.mjs --bundle DIR --snapshots DIR [--every SECONDS] [--keep N] ID
// SIGTERM and SIGINT save the container once more and end it; the next start goes on from there.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Container } from './container.mjs';
import { Snapshots } from './snapshots.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bundle: { type: 'string' },
    snapshots: { type: 'string' },
    every: { type: 'string', default: '60' },
    keep: { type: 'string', default: '3' },
  },
});
const [id] = positionals;
if (id === undefined || values.bundle === undefined || values.snapshots === undefined) {
  console.error('supervisor: expected --bundle DIR, --snapshots DIR and the id of the container');
  process.exit(1);
}

const container = new Container(id, values.bundle);
const snapshots = new Snapshots(values.snapshots, Number(values.keep));
const everyMs = Number(values.every) * 1000;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop.abort());

/** @param {string} text */
const say = (text) => console.log(text);

/**
 * Starts the container, from its newest snapshot if there is one, or from the one before where that cannot be
 * restored: CRIU refuses one in which a file was open that has grown since.
 */
async function start() {
  const all = await snapshots.newestFirst();
  if (all.length === 0) {
    await container.start();
    say(`${id} is started`);
    return;
  }
  for (const [index, snapshot] of all.entries()) {
    try {
      await container.restore(snapshot);
      say(`${id} is restored from ${snapshot}`);
      return;
    } catch (error) {
      if (index === all.length - 1) throw error;
      console.error(`supervisor: ${/** @type {Error} */ (error).message}`);
    }
  }
}

async function save() {
  const path = snapshots.next();
  // One that fails leaves the container running, and the older snapshots in place.
  const { timings } = await container.save(path, { leaveRunning: true });
  say(`${path} is saved, ${id} stood still for ${timings.pauseMs?.toFixed(1)} ms`);
  for (const old of await snapshots.removeOld()) say(`${old} is removed`);
}

await start();
while (!stop.signal.aborted) {
  const ended = await container.waitForEnd(everyMs, stop.signal);
  if (stop.signal.aborted) break;
  try {
    if (ended) {
      say(`${id} has ended`);
      await start();
    } else {
      await save();
    }
  } catch (error) {
    console.error(`supervisor: ${/** @type {Error} */ (error).message}`);
    await sleep(1000);
  }
}
const last = snapshots.next();
await container.save(last);
await snapshots.removeOld();
say(`${last} is saved, and ${id} has ended`);
