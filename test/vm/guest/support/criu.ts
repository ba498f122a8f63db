import assert from 'node:assert/strict';
import { askedReleases, passThrough } from '../../../helpers/support/cell.js';
import type { Suite } from '../suite-module.js';

export const title = 'a process is saved and restored';

/** A test of each release of CRIU. */
export const suite: Suite = Object.fromEntries(
  [...askedReleases()].map(([version, prefix]) => [
    version,
    async (scope) => {
      const { node, criu, message } = await passThrough(scope, process.execPath, prefix);
      assert.deepEqual(
        { node, criu, message },
        { node: process.versions.node, criu: version, message: undefined },
      );
    },
  ]),
);
