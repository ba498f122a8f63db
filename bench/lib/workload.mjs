// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from '../../tools/paths.mjs';
import { compile } from './harness.mjs';

/** @typedef {import('./scope.mjs').Scope} Scope */

/** The static program that the tests use as well. @param {string} directory */
export async function compileWorkload(directory) {
  const source = join(root, 'test/workloads/workload.c');
  return compile(join(directory, 'workload'), [source], ['-static']);
}

/**
 * Asks again and again until it is so.
 *
 * @param {string} what
 * @param {() => boolean} isSo
 * @param {number} [limitMs]
 */
export async function until(what, isSo, limitMs = 30_000) {
  const deadline = performance.now() + limitMs;
  while (!isSo()) {
    if (performance.now() > deadline) {
      throw new Error(`${what}: not so after ${limitMs} ms`);
    }
    await delay(5);
  }
}

/**
 * Starts a process to be dumped, as CRIU wants it: its own session, nothing inherited.
 *
 * @param {Scope} scope which ends it
 * @param {string} command
 * @param {readonly (string | number)[]} args
 * @param {() => boolean} isReady
 * @returns {Promise<number>} its pid
 */
export async function startProcess(scope, command, args, isReady) {
  const child = spawn(command, args.map(String), { detached: true, stdio: 'ignore', cwd: '/' });
  await once(child, 'spawn');
  const pid = /** @type {number} */ (child.pid);
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      process.kill(-pid, 'SIGKILL');
      await gone;
    }
  });
  await until(`${command} ${args.join(' ')} is ready`, () => {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${command} ${args.join(' ')} has ended`);
    }
    return isReady();
  });
  return pid;
}

let number = 0;

/**
 * Starts the workload in one of its modes.
 *
 * @param {import('./context.mjs').Context} context
 * @param {Scope} scope
 * @param {string} mode
 * @param {...number} args
 */
export async function startWorkload({ directory, workload }, scope, mode, ...args) {
  const readyFile = join(directory, `ready-${number++}`);
  const isReady = () => existsSync(readyFile) && readFileSync(readyFile, 'utf8').endsWith('\n');
  return startProcess(scope, workload, [readyFile, mode, ...args], isReady);
}
