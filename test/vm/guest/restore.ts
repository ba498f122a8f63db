import { join } from 'node:path';
import type { Scope } from '../../helpers/cleanup.js';
import { runOk } from '../../helpers/exec.js';
import { criuBinary } from '../../helpers/paths.js';
import type { Workload } from '../../helpers/process.js';

/** Brings a dumped process back under its own pid; the scope ends it. */
export async function restoreProcess(
  scope: Scope,
  { pid, gone }: Workload,
  imagePath: string,
): Promise<void> {
  // Its pid is free when it has been reaped.
  await gone;
  const work = await scope.directory();
  const args = ['restore', '-D', imagePath, '-W', work, '--restore-detached', '-v4'];
  await runOk(criuBinary, [...args, '-o', join(work, 'restore.log')]);
  scope.defer(() => process.kill(-pid, 'SIGKILL'));
}
