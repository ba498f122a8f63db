import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkpoint } from '../helpers/api.js';
import { countsBeyond } from '../helpers/engines/engine.js';
import { startPodman } from '../helpers/engines/podman.js';
import { reportLine } from '../helpers/engines/report.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { runOk } from '../helpers/system/exec.js';
import { startOnOverlay } from '../helpers/workloads/overlay-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'checkpointctl'));

async function checkpointctl(what: string, ...args: string[]): Promise<string> {
  const text = await runOk('checkpointctl', args);
  reportLine({ output: { title: `checkpointctl ${args[0]}: ${what}`, text } });
  return text;
}

const show = (what: string, file: string): Promise<string> => checkpointctl(what, 'show', file);
const inspect = (what: string, file: string): Promise<string> =>
  checkpointctl(what, 'inspect', '--all', file);

test('checkpointctl shows and inspects an archive of a container of podman', async () => {
  const podman = await startPodman(scope);
  await podman.start({ name: 'libcriu-shown' });
  await countsBeyond(podman, 'libcriu-shown', 3);
  const file = join(await scope.directory(), 'web.tar.gz');
  await checkpoint('podman:libcriu-shown', { export: file, leaveRunning: true });
  const what = 'a container of podman';
  expect(await show(what, file)).toMatch(/libcriu-shown .*libcriu-box:1 .* runc .* Podman .* KiB/);
  const tree = await inspect(what, file);
  expect(tree).toMatch(/Image: .*libcriu-box:1/);
  expect(tree).toMatch(/Process tree\s.*\[1\]/);
});

test('checkpointctl shows and inspects an archive with changed files', async () => {
  const container = await startOnOverlay(scope);
  const { stateRoot, id } = container;
  const file = container.path('web.tar');
  await checkpoint(id, { stateRoot, export: file, leaveRunning: true });
  // It looks for names where podman and Kubernetes have them.
  const what = 'a container of runc with changed files';
  expect(await show(what, file)).toMatch(/ runc .* KiB[ |]+[\d.]+ KiB/);
  expect(await inspect(what, file)).toMatch(/Root FS diff size: [\d.]+ KiB/);
});
