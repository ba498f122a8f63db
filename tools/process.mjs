// @ts-check
import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A failure whose message is all that the user needs: no stack is shown. */
export class StepError extends Error {
  /** @override */
  name = 'StepError';
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const logged = new Set();

let interrupted = false;

/** Ends what {@link run} has under way with a log file; those runs then fail, and later ones too. */
export function interrupt() {
  interrupted = true;
  for (const child of logged) {
    try {
      process.kill(-(/** @type {number} */ (child.pid)), 'SIGTERM');
    } catch {
      // Ended by itself.
    }
  }
}

/** @typedef {{cwd?: string, env?: NodeJS.ProcessEnv, logFile?: string | undefined}} RunOptions */

/**
 * Runs a command to its end. Without a log file it shares our terminal; with one it gets a process
 * group of its own, so that a Ctrl-C reaches us alone and {@link interrupt} ends it and its children.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<void>}
 */
export async function run(command, args, { cwd, env, logFile } = {}) {
  if (interrupted) {
    throw new StepError('interrupted');
  }
  const log = logFile === undefined ? undefined : openSync(logFile, 'a');
  try {
    await new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd,
        env: env ?? process.env,
        detached: log !== undefined,
        stdio: log === undefined ? 'inherit' : ['ignore', log, log],
      });
      if (log !== undefined && child.pid !== undefined) {
        logged.add(child);
      }
      child.once('error', (error) =>
        reject(new StepError(`${command} cannot be started: ${error.message}`)),
      );
      child.once('close', (code, signal) => {
        logged.delete(child);
        if (code === 0) {
          resolve(undefined);
        } else {
          const how = signal === null ? `exit status ${code}` : `signal ${signal}`;
          reject(new StepError(`\`${[command, ...args].join(' ')}\` ended with ${how}`));
        }
      });
    });
  } finally {
    if (log !== undefined) {
      closeSync(log);
    }
  }
}

/**
 * What a command prints; `status` is null when a signal ended it or it cannot be started.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{status: number | null, stdout: string, stderr: string}>}
 */
export function capture(command, args, { cwd, env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.once('error', (error) => resolve({ status: null, stdout, stderr: error.message }));
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

// What we need for root often lies outside the PATH of a root shell made by `su`.
const systemDirectories = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/**
 * The absolute path of a command, as a shell of root would find it.
 *
 * @param {string} name
 * @returns {string | undefined}
 */
export function findCommand(name) {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  for (const directory of [...directories, ...systemDirectories]) {
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) {
        return file;
      }
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/**
 * The last lines of a log file.
 *
 * @param {string} file
 * @param {number} count
 * @returns {string[]}
 */
export function tail(file, count) {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count);
  } catch {
    return [];
  }
}

/** @param {number} startedAt `performance.now()` of the start */
export function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
