// @ts-check
// One migration, as the client sees it. Run by migrate.mjs and by the benchmark, in a network
// namespace of its own. argv: the way, MiB of state, the rate of the link; prints one line of JSON.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from './client.mjs';
import { imagesDirectory, makeHosts, routeTo, serviceAddress, servicePort } from './hosts.mjs';
import { ways } from './ways.mjs';

/**
 * @typedef {object} Measured
 * @property {number} [downtimeMs] the longest time without an answer
 * @property {number} [totalMs] until the source is free
 * @property {string} [unavailable] why it cannot be done here
 */

const [way = '', mebibytes = '', rate = ''] = process.argv.slice(2);
/** Lazy pages need it where root lacks CAP_SYS_RESOURCE; of the machine, so it is put back. */
const pipeSize = '/proc/sys/fs/pipe-max-size';
const neededPipeSize = 4 * 1024 * 1024;

/** @returns {Promise<Measured>} */
async function measure() {
  const { source, target } = await makeHosts(rate);
  /** @type {Client | undefined} */
  let client;
  try {
    const ready = join(imagesDirectory, 'ready');
    const pid = await source.call('startServer', servicePort, Number(mebibytes), ready);
    routeTo(source);
    client = new Client(serviceAddress, servicePort);
    await client.answered();
    const move = ways[/** @type {keyof typeof ways} */ (way)];
    const start = performance.now();
    await move({ source, target, pid, moved: () => routeTo(target) });
    const totalMs = performance.now() - start;
    await client.answered();
    client.checkCounts();
    return { downtimeMs: client.longestGapMs(start), totalMs };
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (message.includes('does not track memory')) return { unavailable: message };
    throw error;
  } finally {
    client?.close();
    await Promise.all([source.close(), target.close()]);
  }
}

const before = readFileSync(pipeSize, 'utf8');
if (Number(before) < neededPipeSize) writeFileSync(pipeSize, String(neededPipeSize));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    writeFileSync(pipeSize, before);
    process.exit(1); // the hosts end with us
  });
}
try {
  process.stdout.write(`${JSON.stringify(await measure())}\n`);
} finally {
  writeFileSync(pipeSize, before);
}
