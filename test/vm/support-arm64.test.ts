// The packages for arm64, with each release of Node.js: one machine for each of these. `npm run test:support`
// runs it.
import { describe } from 'vitest';
import { nodeMajors, nodeProgram, nodeVersion } from '../../tools/node-releases.mjs';
import { requireNeeds } from '../helpers/needs.js';
import { askedReleases, recordRun } from '../helpers/support/cell.js';
import { arm64Machine } from './host/arm64.js';
import { arm64 } from './host/machine.js';
import { reportTests } from './host/report.js';

const needs = (): void => requireNeeds('root', 'build', 'busybox', 'gcc');

/** The one in the package. */
const [criu = ''] = askedReleases().keys();

describe.each(nodeMajors)('Node.js %i on arm64', async (major) => {
  await reportTests('support', needs, arm64Machine(nodeProgram(major, 'arm64'), criu), {
    hardware: arm64,
    tell: () =>
      recordRun({
        system: 'linux-arm64-gnu',
        node: nodeVersion(major),
        criu,
        kernel: arm64.findKernel()?.version ?? '',
        test: 'test/vm/support-arm64.test.ts',
      }),
  });
});
