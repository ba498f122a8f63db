import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Criu } from '../api.js';
import { prefix } from '../paths.js';
import type { Scope } from '../scope.js';
import { workloadBinary } from '../system/process.js';

/** A criu that does not keep to its protocol; `test/workloads/false-criu.c` has the modes. */
export async function falseCriu(scope: Scope, mode: string, workers = 0): Promise<Criu> {
  const binary = join(await scope.directory(), 'criu');
  await copyFile(await workloadBinary('false-criu'), binary);
  await writeFile(`${binary}.mode`, mode);
  return new Criu({ binary, library: join(prefix, 'lib/libcriu.so.2'), workers });
}
