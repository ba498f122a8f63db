import { delimiter } from 'node:path';
import { requireKnownTrusted } from '../linux/known-trusted.js';
import { findIn, isExecutable } from '../linux/paths.js';

/**
 * Finds a container runtime as `execvp` would: by its path, or by its name in `PATH`.
 *
 * @returns its path; the name itself when it is not there, which shows when it is started.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can have written it.
 */
export async function findRuntime(runtime: string): Promise<string> {
  const place = await placeOf(runtime);
  if (place === undefined) return runtime;
  await requireKnownTrusted('the container runtime', place);
  return place.includes('/') ? place : `./${place}`;
}

async function placeOf(runtime: string): Promise<string | undefined> {
  if (runtime.includes('/')) return (await isExecutable(runtime)) ? runtime : undefined;
  const { PATH = '' } = process.env;
  // An empty one is the working directory.
  return await findIn(PATH.split(delimiter), runtime, isExecutable);
}
