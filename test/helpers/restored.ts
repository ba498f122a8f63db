import { join } from 'node:path';
import { Criu, CriuError, type RestoreOptions, type RestoreResult } from './api.js';
import { isAlive } from './process.js';
import type { Scope } from './scope.js';

/** Tasks that are back, as children of this process. */
export interface Restored extends RestoreResult {
  exited: NonNullable<RestoreResult['exited']>;
  /** Kills the root and waits until it is reaped. */
  kill(): Promise<void>;
}

/** Dumps a process, which ends by that; gives the images. */
export async function dumpAway(
  scope: Scope,
  workload: { pid: number; gone: Promise<void> },
  options: Parameters<Criu['dump']>[1] = {},
): Promise<string> {
  const imagePath = join(await scope.directory(), 'images');
  await new Criu().dump(workload.pid, { imagePath, ...options });
  await workload.gone;
  return imagePath;
}

/** A restore that has to succeed. */
export async function restoreOk(
  scope: Scope,
  imagePath: string,
  options: RestoreOptions = {},
  criu: Criu = new Criu(),
): Promise<Restored> {
  const result = await criu.restore(imagePath, { restoreSibling: true, ...options });
  const { pid, exited = Promise.resolve() } = result;
  const kill = async (): Promise<void> => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await exited;
  };
  scope.defer(kill);
  return { ...result, kill } as Restored;
}

/** A restore that has to fail; gives its error. */
export async function restoreFails(
  imagePath: string,
  options: RestoreOptions = {},
): Promise<CriuError> {
  try {
    await new Criu().restore(imagePath, options);
  } catch (error) {
    if (error instanceof CriuError) return error;
    throw error;
  }
  throw new Error(`restore of ${imagePath} was to fail and did not`);
}
