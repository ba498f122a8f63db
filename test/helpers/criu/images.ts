import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Criu, type DumpOptions, type DumpResult, dump } from '../api.js';
import type { Scope } from '../scope.js';
import { startWorkload } from '../system/process.js';

const criu = new Criu();

/** The image files in a directory. */
export const images = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.endsWith('.img'));

/** Dumps a process that goes on. */
export const dumpTo = (
  pid: number,
  imagePath: string,
  options: DumpOptions = {},
): Promise<DumpResult> => dump(pid, { criu, leaveRunning: true, imagePath, ...options });

/** A process that CRIU can dump, and one that it cannot without `fileLocks`. */
export async function startBoth(
  scope: Scope,
): Promise<{ good: number; bad: number; directory: string }> {
  const directory = await scope.directory();
  const { pid: good } = await startWorkload(scope, ['idle']);
  const lock = join(await scope.directory(), 'lock');
  const { pid: bad } = await startWorkload(scope, ['lock', lock]);
  return { good, bad, directory };
}
