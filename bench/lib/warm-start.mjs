// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';

const program = join(import.meta.dirname, 'chart-server.mjs');
const index = join(root, 'dist/index.js');
const command = join(root, 'dist/cli/main.js');

/**
 * A program's first answer, when it is started and when it is brought back warm.
 *
 * @param {import('./context.mjs').Context} context
 * @returns {Promise<{cold: () => Promise<{ms: number}>, warm: () => Promise<{ms: number}>}>}
 */
export async function makeStarts(context) {
  const imagePath = join(context.directory, 'warm');
  const portFile = join(context.directory, 'port');
  await run(process.execPath, [command, 'run', '--snapshot', imagePath, program, portFile, index]);
  const warmPort = Number(readFileSync(portFile, 'utf8'));
  return {
    cold: async () => {
      rmSync(portFile, { force: true });
      const start = performance.now();
      const child = spawn(process.execPath, [program, portFile, index], { stdio: 'ignore' });
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
    },
    warm: async () => {
      const start = performance.now();
      const restored = await context.libcriu.restore(imagePath, { restoreSibling: true });
      try {
        await answer(warmPort);
        return { ms: performance.now() - start };
      } finally {
        process.kill(restored.pid, 'SIGKILL');
        await restored.exited;
      }
    },
  };
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
