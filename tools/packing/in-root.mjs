// @ts-check
// Runs commands in a root file system of Debian.
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run, StepError } from '../process.mjs';

/**
 * What a root file system gets of this machine while a command runs in it: a file or a directory.
 *
 * @typedef {{from: string, to: string, writable?: boolean}} Bind
 */

/** Where Node.js is in a root. */
export const nodePrefix = '/opt/node';

/** The environment of a command in a root. */
export const rootEnvironment = {
  PATH: `${nodePrefix}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  HOME: '/root',
  LC_ALL: 'C',
};

const enter = join(import.meta.dirname, 'enter-root.sh');

/**
 * The command line that runs another in a root file system, with our Node.js in its `PATH`. It needs
 * {@link rootEnvironment}.
 *
 * @param {string} tree
 * @param {readonly Bind[]} binds
 * @param {readonly string[]} command
 * @returns {[string, ...string[]]}
 */
export function inRoot(tree, binds, command) {
  const all = [{ from: nodeProgram, to: `${nodePrefix}/bin/node` }, ...binds];
  const mounts = all.flatMap(({ from, to, writable }) => [from, to, writable ? 'rw' : 'ro']);
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
  return ['unshare', ...namespaces, 'sh', enter, tree, ...mounts, '--', ...command];
}

/**
 * Runs a command in a root file system.
 *
 * @param {string} tree
 * @param {readonly Bind[]} binds
 * @param {readonly string[]} command
 * @param {string | undefined} logFile
 */
export async function runInRoot(tree, binds, command, logFile) {
  const [file, ...args] = inRoot(tree, binds, command);
  await run(file, args, { env: rootEnvironment, logFile });
}

const nodeProgram = realpathSync(process.execPath);

/** The headers of our Node.js, for a root in which an addon is built. @returns {Bind} */
export function nodeHeaders() {
  const headers = resolve(nodeProgram, '../../include/node');
  if (existsSync(join(headers, 'common.gypi'))) {
    return { from: headers, to: `${nodePrefix}/include/node` };
  }
  throw new StepError(`the headers of Node.js are missing: there is no ${headers}`);
}

/** The npm of our Node.js. Its programs are run by their paths. @returns {Bind} */
export function npmPackage() {
  const npm = resolve(nodeProgram, '../../lib/node_modules/npm');
  if (existsSync(npm)) return { from: npm, to: `${nodePrefix}/lib/node_modules/npm` };
  throw new StepError(`npm is missing: there is no ${npm}`);
}
