import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkpoint, type DumpResult, dump } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

/** criu may add to its log what it does at its end. */
const logBytes = 4096;

function expectSize({ imagePath, bytes, files }: DumpResult): void {
  const sizes = readdirSync(imagePath).map((name) => statSync(join(imagePath, name)).size);
  expect(files).toBe(sizes.length);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeGreaterThan(all - logBytes);
  expect(bytes).toBeLessThanOrEqual(all);
}

test('a dump tells how large its images are', async () => {
  const { pid } = await startWorkload(scope, ['memory', 8]);
  const imagePath = join(await scope.directory(), 'images');
  const result = await dump(pid, { imagePath, leaveRunning: true });
  expectSize(result);
  expect(result.bytes).toBeGreaterThan(8 << 20);
});

test('and so does a checkpoint', async () => {
  const container = await startContainer(scope);
  const { stateRoot } = container;
  const imagePath = container.path('images');
  expectSize(await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true }));
  const existing = 'reuse';
  expectSize(await checkpoint(container.id, { stateRoot, imagePath, existing }));
});
