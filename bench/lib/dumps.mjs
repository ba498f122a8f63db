// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { timed, withImages } from './context.mjs';

/** @typedef {import('./context.mjs').Context} Context */

/** Until a `criu swrk` that was just started waits for its request. */
const workerStartMs = 50;

/**
 * Starts the worker of the harness's next call.
 *
 * @param {import('./harness.mjs').Harness} harness
 * @param {readonly string[]} [environment] all that it gets, `NAME=value` each
 */
export async function startSpare(harness, environment = []) {
  await harness.command('spare', ...environment);
  await delay(workerStartMs);
}

/**
 * Ways to dump one process that runs on, with the same options: log level 4, a fresh directory,
 * which is made inside of what is measured except for the program, which does not make it. It is on
 * a tmpfs: a disk would be busy with the images of the rounds before, which takes longer than a dump.
 *
 * @param {Context} context
 * @param {number} pid
 */
export function dumpsOf({ libcriu, harness, installation, memoryDirectory: directory }, pid) {
  const { binary } = installation;
  const running = ['leave_running', 1];
  /** @param {string} imagePath */
  const command = (imagePath) => {
    mkdirSync(imagePath);
    const images = ['--images-dir', imagePath, '--log-file', 'dump.log'];
    return [binary, 'dump', '--tree', String(pid), ...images, '--leave-running', '-v4'];
  };
  return {
    ours: () =>
      withImages(directory, (imagePath) =>
        timed(() => libcriu.dump(pid, { imagePath, leaveRunning: true })),
      ),
    /** @param {import('./harness.mjs').Harness} [by] @param {readonly string[]} [environment] */
    libcriuWithSpare: async (by = harness, environment = []) => {
      await startSpare(by, environment);
      return withImages(directory, (imagePath) =>
        by.command('dump', 'spare', pid, imagePath, ...running),
      );
    },
    libcriuForking: (by = harness) =>
      withImages(directory, (imagePath) => by.command('dump', 'fork', pid, imagePath, ...running)),
    programFromC: (by = harness) =>
      withImages(directory, (imagePath) => by.command('run', ...command(imagePath))),
    programFromNode: () =>
      withImages(directory, async (imagePath) => {
        const [file = '', ...args] = command(imagePath);
        return timed(async () => {
          const child = spawn(file, args, { stdio: 'ignore', detached: true });
          const [status] = await once(child, 'exit');
          if (status !== 0) {
            throw new Error(`criu dump ended with exit status ${status}`);
          }
        });
      }),
  };
}
