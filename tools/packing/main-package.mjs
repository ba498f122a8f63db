// @ts-check
// The main package as it is published.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../paths.mjs';
import { capture, run, StepError } from '../process.mjs';
import { mainManifest, writeManifest } from './manifests.mjs';

/**
 * Packs a directory.
 *
 * @param {string} directory
 * @param {string} destination
 * @returns {Promise<string>} the path of the file
 */
export async function pack(directory, destination) {
  const args = ['pack', '--silent', '--pack-destination', destination];
  const { status, stdout, stderr } = await capture('npm', args, { cwd: directory });
  const name = stdout.trim().split('\n').at(-1);
  if (status !== 0 || !name) throw new StepError(`npm cannot pack ${directory}: ${stderr.trim()}`);
  return join(destination, name);
}

/**
 * @param {string} directory
 * @param {readonly string[]} listed the packages that npm installs with it
 * @param {string} workDirectory
 * @param {string | undefined} logFile
 */
export async function makeMainPackage(directory, listed, workDirectory, logFile) {
  const file = await pack(root, workDirectory);
  mkdirSync(directory, { recursive: true });
  await run('tar', ['-xzf', file, '-C', directory, '--strip-components=1'], { logFile });
  writeManifest(directory, mainManifest(listed));
}
