// @ts-check
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { updateLists } from './packages.mjs';
import { run } from './process.mjs';

/**
 * Downloads a package with apt, which verifies it, and unpacks it below a directory of its own. Nothing is
 * installed.
 *
 * @param {string} name
 * @param {string} workDirectory
 * @param {string} logFile
 * @returns {Promise<string>} the directory
 */
export async function unpackPackage(name, workDirectory, logFile) {
  // An archive keeps no packages that old lists name.
  await updateLists(logFile);
  const directory = join(workDirectory, name);
  const tree = join(directory, 'tree');
  await downloadTo(tree, name, { directory, options: ['-o', 'Acquire::Retries=3'], logFile });
  return tree;
}

/**
 * Downloads a package into a directory that it makes, and unpacks it.
 *
 * @param {string} tree where it is unpacked to
 * @param {string} name
 * @param {{directory: string, options: readonly string[], logFile: string}} settings `options` are those of apt
 */
export async function downloadTo(tree, name, { directory, options, logFile }) {
  mkdirSync(directory);
  await run('apt-get', [...options, 'download', name], { cwd: directory, logFile });
  const [file = name] = readdirSync(directory);
  await run('dpkg-deb', ['--extract', join(directory, file), tree], { logFile });
}

/**
 * Puts a directory in the place of another: complete or not at all, also from another file system.
 *
 * @type {(from: string, to: string, logFile: string) => Promise<void>}
 */
export async function moveTo(from, to, logFile) {
  const draft = `${to}.draft`;
  rmSync(draft, { recursive: true, force: true });
  await run('cp', ['-a', from, draft], { logFile });
  rmSync(to, { recursive: true, force: true });
  renameSync(draft, to);
}
