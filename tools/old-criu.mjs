// @ts-check
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { moveTo, unpackPackage } from './debian-package.mjs';
import { root } from './paths.mjs';

const directory = join(root, '.criu-old');

/** Where the distribution's own criu and libcriu are, for the tests of one that is too old. It is not installed. */
export const oldCriuPrefix = join(directory, 'usr');

export const oldCriu = join(oldCriuPrefix, 'sbin/criu');

export const hasOldCriu = () => existsSync(oldCriu);

/**
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function fetchOldCriu(workDirectory, logFile) {
  await moveTo(await unpackPackage('criu', workDirectory, logFile), directory, logFile);
}
