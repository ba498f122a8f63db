// @ts-check
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './paths.mjs';
import { StepError } from './process.mjs';

const lockFile = join(root, '.setup.lock');

/**
 * Runs `work` while no other process sets up or builds this package.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(work) {
  await acquire();
  // `exit` covers a work that ends the process; a killed one leaves a file whose pid is dead.
  const release = () => rmSync(lockFile, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}

async function acquire() {
  for (let told = false; ; ) {
    try {
      writeFileSync(lockFile, `${process.pid}\n`, { flag: 'wx' });
      return;
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code === 'EACCES' || code === 'EROFS') {
        throw new StepError(`${root} cannot be written to: run this as its owner, or as root`);
      }
      if (code !== 'EEXIST') {
        throw error;
      }
    }
    const owner = readOwner();
    if (owner !== undefined && !isAlive(owner)) {
      rmSync(lockFile, { force: true });
      continue;
    }
    if (!told) {
      told = true;
      process.stderr.write(
        `set-up: waiting for process ${owner ?? '?'}, which sets up or builds\n`,
      );
    }
    await sleep(200);
  }
}

function readOwner() {
  try {
    const pid = Number.parseInt(readFileSync(lockFile, 'utf8'), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH';
  }
}
