import { release } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readRuns, runOf } from '../../scripts/support/cells.mjs';
import { isAtLeast, minimumVersion } from '../../tools/criu.mjs';
import { nodeMajors, nodeProgram, nodeVersion } from '../../tools/node-releases.mjs';
import { oldCriuPrefix } from '../../tools/old-criu.mjs';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { askedReleases, passThrough, recordRun, type Told } from '../helpers/support/cell.js';
import { runOk } from '../helpers/system/exec.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

const system = `linux-${process.arch}-gnu`;

describe.each(nodeMajors)('Node.js %i', (major) => {
  test.each([...askedReleases()])(
    'saves and restores a process with CRIU: %s',
    async (_, prefix) => {
      const told = await passThrough(scope, nodeProgram(major), prefix);
      const { node, criu, kernel } = told;
      expect(told).toEqual({
        node: nodeVersion(major),
        kernel: release(),
        criu: expect.any(String),
      });
      if (criu === undefined) return;
      recordRun({ node, criu, kernel, test: 'test/package/support.test.ts' });
      // What the table says of it (docs/install.md) is what was run.
      const asked = process.env['LIBCRIU_SUPPORT_CRIU'] !== undefined;
      if (!asked) expect(runOf(readRuns(), { system, node, criu })).toMatchObject({ system });
    },
  );

  test('loads a CRIU that is too old for this kernel, and refuses it with a sentence', async () => {
    const binary = join(oldCriuPrefix, 'sbin/criu');
    const [, version = ''] = /Version: (\d+\.\d+)/.exec(await runOk(binary, ['--version'])) ?? [];
    const needed = minimumVersion(release());
    const told = await passThrough(scope, nodeProgram(major), oldCriuPrefix);
    if (isAtLeast(version, needed)) {
      expect(told).toMatchObject({
        node: nodeVersion(major),
        criu: expect.stringContaining(version),
      });
      return;
    }
    expect(told).toEqual<Told>({
      node: nodeVersion(major),
      kernel: release(),
      code: 'ERR_CRIU_TOO_OLD',
      message: `criu ${version} at ${binary} is too old for kernel ${release()}: ${needed} or newer is needed`,
    });
  });
});
