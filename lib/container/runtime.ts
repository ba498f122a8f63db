import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { isFile } from '../linux/paths.js';
import { requireTrusted } from '../linux/trusted.js';

/**
 * Finds a container runtime as `execvp` would: by its path, or by its name in `PATH`.
 *
 * @returns its path; the name itself when it is not there, which shows when it is started.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can have written it.
 */
export async function findRuntime(runtime: string): Promise<string> {
  const { PATH = '' } = process.env;
  const places = runtime.includes('/')
    ? [runtime]
    : PATH.split(delimiter).map((directory) => join(directory || '.', runtime));
  for (const place of places) {
    if (!(await isExecutable(place))) continue;
    await requireTrusted('the container runtime', place);
    return place.includes('/') ? place : `./${place}`;
  }
  return runtime;
}

async function isExecutable(path: string): Promise<boolean> {
  if (!(await isFile(path))) return false;
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
