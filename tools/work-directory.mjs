// @ts-check
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tail } from './process.mjs';

/**
 * Does work in a directory of its own, with a log in it, whose end is shown where the work fails.
 *
 * @template T
 * @param {string} name
 * @param {(directory: string, logFile: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inWorkDirectory(name, work) {
  const directory = mkdtempSync(join(tmpdir(), `libcriu-${name}-`));
  const logFile = join(directory, 'log');
  try {
    return await work(directory, logFile);
  } catch (error) {
    for (const line of tail(logFile, 30)) process.stderr.write(`  | ${line}\n`);
    throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
