import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkpoint } from '../helpers/api.js';
import { countsBeyond } from '../helpers/engines/engine.js';
import { startPodman } from '../helpers/engines/podman.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { runOk } from '../helpers/system/exec.js';
import { startOnOverlay } from '../helpers/workloads/overlay-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'checkpointctl'));

const show = (file: string): Promise<string> => runOk('checkpointctl', ['show', file]);
const inspect = (file: string): Promise<string> =>
  runOk('checkpointctl', ['inspect', '--all', file]);

test('checkpointctl shows and inspects an archive of a container of podman', async () => {
  const podman = await startPodman(scope);
  await podman.start({ name: 'libcriu-shown' });
  await countsBeyond(podman, 'libcriu-shown', 3);
  const file = join(await scope.directory(), 'web.tar.gz');
  await checkpoint('podman:libcriu-shown', { export: file, leaveRunning: true });
  expect(await show(file)).toMatch(/libcriu-shown .*libcriu-box:1 .* runc .* Podman .* KiB/);
  const tree = await inspect(file);
  expect(tree).toMatch(/Image: .*libcriu-box:1/);
  expect(tree).toMatch(/Process tree\s.*\[1\]/);
});

test('checkpointctl shows and inspects an archive with changed files', async () => {
  const container = await startOnOverlay(scope);
  const { stateRoot, id } = container;
  const file = container.path('web.tar');
  await checkpoint(id, { stateRoot, export: file, leaveRunning: true });
  // It looks for names where podman and Kubernetes have them.
  expect(await show(file)).toMatch(/ runc .* KiB +\| [\d.]+ KiB/);
  expect(await inspect(file)).toMatch(/Root FS diff size: [\d.]+ KiB/);
});
