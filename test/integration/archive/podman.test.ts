import { expect, test } from 'vitest';
import { checkpoint, exportCheckpoint } from '../../helpers/api.js';
import { type Podman, usePodman } from '../../helpers/engines/podman.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startOnOverlay } from '../../helpers/workloads/overlay-container.js';

const scope = useScope();
let podman: Podman;
usePodman((started) => {
  podman = started;
});

test('podman restores the images of a container of runc', async () => {
  const container = await startOnOverlay(scope);
  const { stateRoot, id, bundle } = container;
  // podman makes the container of an image, and of what was changed in it.
  await runOk('chmod', ['0555', container.rootfs]);
  const image = 'libcriu-runc:1';
  const archive = container.path('image.tar');
  await runOk('tar', ['-C', container.rootfs, '--exclude=./log', '-cf', archive, '.']);
  const imageId = (await podman.call('import', archive, image)).split('\n').at(-1) ?? '';
  const imagePath = container.path('images');
  const whole = container.path('whole.tar');
  await checkpoint(id, { stateRoot, imagePath, export: whole, leaveRunning: true });
  const exported = container.path('exported.tar');
  const of = { image: `localhost/${image}`, imageId };
  await exportCheckpoint(imagePath, exported, { bundle, name: 'x', ...of });
  const config = ['--extract', '--to-stdout', '--file', exported, 'config.dump'];
  expect(JSON.parse(await runOk('tar', config))).toMatchObject({
    rootfsImageName: `localhost/${image}`,
  });
  const restored = `libcriu-${process.pid}-of-runc`;
  scope.defer(() => podman.call('rm', '--force', '--time', '0', restored));
  // The archive says by which runtime the container was run.
  const words = ['--runtime', 'runc', 'container', 'restore', '--import', exported];
  await podman.call(...words, '--name', restored);
  expect(await podman.status(restored)).toMatch(/^Up/);
});
