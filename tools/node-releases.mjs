// @ts-check
// The releases of Node.js that the package is for: the tests take warm processes of each through a
// checkpoint. The one that runs the tests is the oldest.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { run, StepError } from './process.mjs';

/** Exact versions, so that tests are the same today and tomorrow. */
const fetched = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };

/** @typedef {20 | keyof typeof fetched} NodeMajor */

/** @type {readonly NodeMajor[]} */
export const nodeMajors = [20, 22, 24, 26];

/** @type {readonly (keyof typeof fetched)[]} */
const fetchedMajors = [22, 24, 26];

const cache = join(root, 'node_modules/.cache/libcriu-test');

/**
 * The program of a release.
 *
 * @param {NodeMajor} major
 * @param {string} [cpu]
 */
export function nodeProgram(major, cpu = process.arch) {
  const isOwn = cpu === process.arch;
  if (isOwn && process.versions.node.startsWith(`${major}.`)) return process.execPath;
  return join(directoryOf(major, cpu), 'node_modules', `node-linux-${cpu}`, 'bin/node');
}

/** @type {(major: NodeMajor, cpu: string) => string} */
const directoryOf = (major, cpu) =>
  join(cache, cpu === process.arch ? `node-${major}` : `node-${major}-${cpu}`);

/** Its version. @param {NodeMajor} major */
export function nodeVersion(major) {
  return major === 20 ? process.versions.node : fetched[major];
}

export const hasNodes = () => fetchedMajors.every((major) => existsSync(nodeProgram(major)));

/** Has npm fetch those that are not here. @param {string} logFile */
export async function fetchNodes(logFile) {
  for (const major of fetchedMajors) await fetchNode(major, process.arch, logFile);
}

/**
 * Has npm fetch one, if it is not here.
 *
 * @param {NodeMajor} major
 * @param {string} cpu
 * @param {string} logFile
 * @returns {Promise<string>} the program
 */
export async function fetchNode(major, cpu, logFile) {
  const program = nodeProgram(major, cpu);
  if (existsSync(program)) return program;
  const directory = directoryOf(major, cpu);
  mkdirSync(directory, { recursive: true });
  const flags = ['--no-save', '--no-audit', '--no-fund', '--prefer-offline'];
  // One for another processor would be refused without the flag.
  if (cpu !== process.arch) flags.push('--force');
  const what = `node-linux-${cpu}@${nodeVersion(major)}`;
  await run('npm', ['install', ...flags, '--prefix', directory, what], { cwd: directory, logFile });
  if (!existsSync(program)) throw new StepError(`${what} has no program`);
  return program;
}
