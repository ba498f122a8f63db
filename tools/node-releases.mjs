// @ts-check
// The releases of Node.js that the package is for: the tests take warm processes of each through a
// checkpoint. The one that runs the tests is the oldest.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { run } from './process.mjs';

/** Exact versions, so that tests are the same today and tomorrow. */
const fetched = { 22: '22.23.3', 24: '24.21.0' };

/** @typedef {20 | keyof typeof fetched} NodeMajor */

/** @type {readonly NodeMajor[]} */
export const nodeMajors = [20, 22, 24];

/** @type {readonly (keyof typeof fetched)[]} */
const fetchedMajors = [22, 24];

const packageName = `node-linux-${process.arch}`;

/** @param {NodeMajor} major */
function directoryOf(major) {
  return join(root, 'node_modules/.cache/libcriu-test', `node-${major}`);
}

/**
 * The program of a release.
 *
 * @param {NodeMajor} major
 */
export function nodeProgram(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  return join(directoryOf(major), 'node_modules', packageName, 'bin/node');
}

export const hasNodes = () => fetchedMajors.every((major) => existsSync(nodeProgram(major)));

/** Has npm fetch those that are not here. @param {string} logFile */
export async function fetchNodes(logFile) {
  for (const major of fetchedMajors) {
    if (existsSync(nodeProgram(major))) continue;
    const directory = directoryOf(major);
    mkdirSync(directory, { recursive: true });
    const flags = ['--no-save', '--no-audit', '--no-fund', '--prefer-offline'];
    const what = `${packageName}@${fetched[major]}`;
    await run('npm', ['install', ...flags, '--prefix', directory, what], {
      cwd: directory,
      logFile,
    });
  }
}
