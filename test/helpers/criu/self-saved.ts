import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { environmentWithCriu, projectRoot } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, until } from '../system/exec.js';

/**
 * Starts a program that saves itself, and waits for its end by that.
 *
 * @param name - Its file in test/helpers/children/, which takes options of checkpointSelf() as JSON.
 * @returns the directory of the images.
 */
export async function savedBySelf(scope: Scope, name: string): Promise<string> {
  const directory = await scope.directory();
  const imagePath = join(directory, 'images');
  const program = resolve(projectRoot, 'test/helpers/children', name);
  const output = join(directory, 'output');
  const child = spawn(
    'sh',
    [
      '-c',
      `exec "$@" >"${output}" 2>&1`,
      'sh',
      process.execPath,
      program,
      JSON.stringify({ imagePath }),
    ],
    {
      detached: true,
      stdio: 'ignore',
      cwd: '/',
      env: environmentWithCriu(),
    },
  );
  scope.defer(() => child.kill('SIGKILL'));
  await once(child, 'exit');
  if (child.signalCode !== 'SIGKILL') throw new Error(readFileSync(output, 'utf8'));
  await untilFree(imagePath);
  return imagePath;
}

/** Waits for the end of the criu that has saved a program: that is a little later than the program's own. */
export async function untilFree(imagePath: string): Promise<void> {
  await until('the images are free', async () => {
    const { code } = await run('flock', ['-n', imagePath, 'true']);
    return code === 0;
  });
}
