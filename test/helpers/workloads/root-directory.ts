import { copyFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { workloadBinary } from '../system/process.js';
import { preflightBinary } from './situation.js';

/** A root directory with both workloads in it. */
export async function rootDirectory(scope: Scope): Promise<string> {
  const root = join(await scope.directory(), 'root');
  await mkdir(root);
  copyFileSync(await workloadBinary(), join(root, 'workload'));
  copyFileSync(await preflightBinary(), join(root, 'preflight'));
  return root;
}
