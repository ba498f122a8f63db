import { join } from 'node:path';
import {
  type CriuError,
  type DumpOptions,
  dump,
  type RestoreOptions,
  type RestoreResult,
  restore,
} from '../api.js';
import { failureOf } from '../rejection.js';
import type { Scope } from '../scope.js';
import { isAlive } from '../system/process.js';

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
  options: DumpOptions = {},
): Promise<string> {
  const imagePath = join(await scope.directory(), 'images');
  await dump(workload.pid, { imagePath, ...options });
  await workload.gone;
  return imagePath;
}

/** A restore that has to succeed. */
export async function restoreOk(
  scope: Scope,
  imagePath: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  const result = await restore(imagePath, { restoreSibling: true, ...options });
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
  return await failureOf(restore(imagePath, options));
}
