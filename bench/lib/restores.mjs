// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { timed } from './context.mjs';
import { startSpare } from './dumps.mjs';
import { withScope } from './scope.mjs';
import { startWorkload } from './workload.mjs';

/**
 * What CRIU itself has taken, by the times in its log.
 *
 * @param {string} logFile
 * @returns {number} milliseconds
 */
export function criuTime(logFile) {
  const lines = readFileSync(logFile, 'latin1').matchAll(/^\((\d+\.\d+)\)/gm);
  return Math.max(...Array.from(lines, ([, seconds]) => Number(seconds) * 1000));
}

/**
 * Ways to restore one small process from the same images, with the same options: it comes back with the
 * same pid each time, and ends before the next.
 *
 * @param {import('./context.mjs').Context} context
 */
export async function makeRestores(context) {
  const { libcriu, harness, installation, memoryDirectory } = context;
  const imagePath = join(memoryDirectory, 'restored');
  const pid = await withScope(async (scope) => {
    const task = await startWorkload(context, scope, 'idle');
    await libcriu.dump(task, { imagePath });
    return task;
  });
  const place = ['--images-dir', imagePath, '--log-file', 'restore.log', '-v4'];
  /** @param {() => Promise<number>} restore by the harness, whose child the process is then */
  const ended = async (restore) => {
    const ms = await restore();
    await harness.command('end', pid);
    return { ms };
  };
  return {
    ours: async () => {
      /** @type {import('../../lib/index.js').RestoreResult | undefined} */
      let result;
      const ms = await timed(async () => {
        result = await libcriu.restore(imagePath, { restoreSibling: true });
      });
      process.kill(pid, 'SIGKILL');
      await result?.exited;
      return { ms };
    },
    libcriuWithSpare: async () => {
      await startSpare(harness, await context.criuEnvironment());
      const log = ['log_file', 'restore.log', 'log_level', 4];
      return ended(() => harness.command('restore', imagePath, ...log));
    },
    programFromC: () =>
      ended(() =>
        harness.command('adopt', installation.binary, 'restore', '--restore-detached', ...place),
      ),
  };
}
