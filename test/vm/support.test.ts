// Releases of CRIU that are too old for newer kernels, with each release of Node.js: one machine for each of
// these. `npm run test:support` runs it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { findKernel } from '../../tools/kernel.mjs';
import { nodeMajors, nodeProgram, nodeVersion } from '../../tools/node-releases.mjs';
import { requireNeeds } from '../helpers/needs.js';
import { askedReleases, passThroughProgram, recordRun } from '../helpers/support/cell.js';
import type { FileTree } from './host/file-tree.js';
import { bareMachineWith } from './host/initramfs.js';
import { inGuest } from './host/package.js';
import { reportTests } from './host/report.js';

const needs = (): void => requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'gcc');

async function addReleases(system: FileTree): Promise<NodeJS.Dict<string>> {
  await system.add(inGuest(passThroughProgram), passThroughProgram);
  const names = ['sbin/criu', 'lib/libcriu.so.2', 'lib/x86_64-linux-gnu/libcriu.so.2'];
  const places: string[] = [];
  for (const [version, prefix] of askedReleases()) {
    for (const path of names.map((name) => join(prefix, name)).filter(existsSync)) {
      await system.addBinary(inGuest(path), path);
    }
    places.push(`${version}=${inGuest(prefix)}`);
  }
  return { LIBCRIU_SUPPORT_CRIU: places.join(',') };
}

describe.each(nodeMajors)('Node.js %i', async (major) => {
  const settings = { suites: 'support', node: nodeProgram(major), add: addReleases };
  await reportTests('support', needs, bareMachineWith(settings), {
    tell: (criu) =>
      recordRun({
        node: nodeVersion(major),
        criu,
        kernel: findKernel()?.version ?? '',
        test: 'test/vm/support.test.ts',
      }),
  });
});
