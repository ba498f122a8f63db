// @ts-check
// Takes a process through a checkpoint by the package's functions, and again by its command, in the Node.js that
// runs this. argv: the prefix of CRIU, the program of the workload, an empty directory.
// Prints a line of JSON with what came of it.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { release } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Criu, CriuError, dump, restore } from '../../dist/index.js';

const [prefix = '', workload = '', directory = ''] = process.argv.slice(2);
const root = resolve(import.meta.dirname, '../..');
const log = join(directory, 'log');

const counted = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0);

/** Waits until the process counts on; the limit is for one that never does. */
async function countsOn() {
  const before = counted();
  for (let rounds = 0; counted() <= before; rounds++) {
    if (rounds === 3000) throw new Error(`it does not count on from ${before}`);
    await sleep(10);
  }
}

/** @type {(...args: readonly string[]) => string} */
function command(...args) {
  const env = { ...process.env, LIBCRIU_PREFIX: prefix };
  const file = join(root, 'dist/cli/main.js');
  return execFileSync(process.execPath, [file, ...args], { env, encoding: 'utf8', cwd: directory });
}

async function passThrough() {
  const args = ['-', 'count', log, '10000'];
  const child = spawn(workload, args, { detached: true, stdio: 'ignore', cwd: '/' });
  const gone = new Promise((settle) => child.once('exit', settle));
  const criu = new Criu({ prefix });
  let pid = child.pid ?? 0;
  try {
    await countsOn();
    const byFunctions = join(directory, 'by-functions');
    await dump(pid, { criu, imagePath: byFunctions });
    await gone;
    ({ pid } = await restore(byFunctions, { criu }));
    await countsOn();
    const byCommand = join(directory, 'by-command');
    command('dump', '--image-path', byCommand, `${pid}`);
    pid = Number(command('restore', byCommand));
    await countsOn();
    await criu.features();
    return await criu.version();
  } finally {
    if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    await criu.close();
  }
}

const required = createRequire(import.meta.url)('../../dist/index.js');
const told = { node: process.versions.node, kernel: release() };
try {
  if (required.CriuError !== CriuError) throw new Error('require() gives another module');
  const { major, minor, sublevel } = await passThrough();
  const version = [major, minor, ...(sublevel ? [sublevel] : [])].join('.');
  process.stdout.write(`${JSON.stringify({ ...told, criu: version })}\n`);
} catch (error) {
  const { code, message, stderr } = /** @type {any} */ (error);
  process.stdout.write(`${JSON.stringify({ ...told, code, message: stderr || message })}\n`);
}
