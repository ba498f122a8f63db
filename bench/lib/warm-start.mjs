// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleModules } from '../../tools/bundle.mjs';
import { root } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';
import { startSpare } from './dumps.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {() => Promise<{ms: number}>} Start to the first answer */

const program = join(import.meta.dirname, 'chart-server.mjs');
const index = join(root, 'dist/index.js');
const command = join(root, 'dist/cli/main.js');

/**
 * A program's first answer, when it is started and when it is brought back warm: by us, by libcriu in C,
 * and by Node.js from a start-up snapshot of its own.
 *
 * @param {Context} context
 * @returns {Promise<Record<'cold' | 'snapshot' | 'warm' | 'inC', Start>>}
 */
export async function makeStarts(context) {
  const logFile = join(context.directory, 'starts.log');
  const imagePath = join(context.directory, 'warm');
  const portFile = join(context.directory, 'port');
  const blob = await buildSnapshot(context.directory, logFile);
  await run(process.execPath, [command, 'run', '--snapshot', imagePath, program, portFile, index], {
    logFile,
  });
  const port = Number(readFileSync(portFile, 'utf8'));
  const { pid } = await restored(context, imagePath, port);
  return {
    cold: () => started(portFile, [program, portFile, index]),
    snapshot: () => started(portFile, ['--snapshot-blob', blob, portFile]),
    warm: async () => {
      const { ms } = await restored(context, imagePath, port);
      return { ms };
    },
    inC: () => restoredInC(context, imagePath, { port, pid }),
  };
}

/**
 * @param {Context} context
 * @param {string} imagePath
 * @param {number} port
 */
async function restored({ libcriu }, imagePath, port) {
  const start = performance.now();
  const { pid, exited } = await libcriu.restore(imagePath, { restoreSibling: true });
  try {
    await answer(port);
    return { ms: performance.now() - start, pid };
  } finally {
    process.kill(pid, 'SIGKILL');
    await exited;
  }
}

/**
 * @param {string} directory
 * @param {string} logFile
 */
async function buildSnapshot(directory, logFile) {
  const source = join(import.meta.dirname, 'chart-snapshot.mjs');
  const blob = join(directory, 'snapshot.blob');
  await bundleModules({ 'chart-snapshot': source }, directory, {
    format: 'cjs',
    entryFileNames: '[name].cjs',
  });
  const script = join(directory, 'chart-snapshot.cjs');
  await run(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', script], { logFile });
  return blob;
}

/**
 * @param {string} portFile
 * @param {readonly string[]} args
 */
async function started(portFile, args) {
  rmSync(portFile, { force: true });
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    const port = await Promise.race([
      written(portFile),
      ended.then(() => {
        throw new Error('the chart server has ended');
      }),
    ]);
    await answer(port);
    return { ms: performance.now() - start };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/**
 * @param {Context} context
 * @param {string} imagePath
 * @param {{port: number, pid: number}} process
 */
async function restoredInC({ harness, criuEnvironment }, imagePath, { port, pid }) {
  await startSpare(harness, await criuEnvironment());
  const start = performance.now();
  await harness.command('restore', imagePath, 'log_file', 'restore.log');
  try {
    await answer(port);
    return { ms: performance.now() - start };
  } finally {
    await harness.command('end', pid);
  }
}

/** @param {string} file */
async function written(file) {
  for (;;) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text.endsWith('\n')) {
      return Number(text);
    }
    await sleep(1);
  }
}

/** @param {number} port */
async function answer(port) {
  const response = await fetch(`http://127.0.0.1:${port}/3`);
  const svg = await response.text();
  if (!svg.startsWith('<svg')) {
    throw new Error('the chart server has no chart');
  }
}
