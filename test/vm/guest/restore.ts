import assert from 'node:assert/strict';
import { restore } from '../../helpers/api.js';
import type { Scope } from '../../helpers/cleanup.js';
import type { Workload } from '../../helpers/system/process.js';

/** Brings a dumped process back under its own pid; the scope ends it. */
export async function restoreProcess(
  scope: Scope,
  { pid }: Workload,
  imagePath: string,
): Promise<void> {
  const restored = await restore(imagePath, { workPath: await scope.directory() });
  scope.defer(() => process.kill(-pid, 'SIGKILL'));
  assert.equal(restored.pid, pid);
}
