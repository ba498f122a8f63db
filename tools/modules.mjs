// @ts-check
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';

/** Whether npm has installed what the lock file of a package says. @param {string} directory */
export function modulesAreCurrent(directory) {
  const installed = statSync(join(directory, 'node_modules/.package-lock.json'), {
    throwIfNoEntry: false,
  });
  return (
    installed !== undefined &&
    installed.mtimeMs >= statSync(join(directory, 'package-lock.json')).mtimeMs
  );
}

/**
 * Installs it anew. Whatever omits development packages elsewhere (NODE_ENV), here they are needed.
 *
 * @param {string} directory
 * @param {string} [logFile]
 */
export async function installModules(directory, logFile) {
  const flags = ['--include=dev', '--no-audit', '--no-fund'];
  await run('npm', ['ci', ...flags], { cwd: directory, logFile });
}
