import assert from 'node:assert/strict';
import { join } from 'node:path';
import { projectRoot } from '../../../helpers/paths.js';
import { runOk } from '../../../helpers/system/exec.js';
import type { Suite } from '../suite-module.js';

export const title = 'migration';

export const suite: Suite = {
  'examples/migrate copies a server ahead that changes meanwhile, and loses no answer':
    async () => {
      const program = join(projectRoot, 'examples/migrate/measure.mjs');
      const args = ['--net', process.execPath, program, 'pre-copy', '32', '1gbit'];
      const text = await runOk('unshare', args, { timeoutMs: 140_000 });
      const { downtimeMs, totalMs } = JSON.parse(text) as Record<string, number>;
      assert.ok(Number(downtimeMs) > 0 && Number(totalMs) > Number(downtimeMs) / 2, text);
    },
};
