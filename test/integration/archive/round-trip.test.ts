import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, openCheckpoint, restoreContainer } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { brokenTicks, Container } from '../../helpers/workloads/container.js';
import { startOnOverlay } from '../../helpers/workloads/overlay-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox'));

/** A container of runc, and a copy of its image as that was before. */
async function started(): Promise<{ container: Container; image: string }> {
  const image = join(await scope.directory(), 'image');
  const container = await startOnOverlay(scope, {
    configure: (_config, { rootfs }) => {
      execFileSync('cp', ['--archive', rootfs, image]);
    },
  });
  await container.countsOn();
  return { container, image };
}

/** The same container, as it is restored in another place. */
async function restored(file: string, image: string): Promise<Container> {
  const copy = new Container(`libcriu-${process.pid}-copy`, await scope.directory());
  scope.defer(() => copy.remove());
  const { stateRoot, bundle, id } = copy;
  await restoreContainer(id, { from: file, rootfs: image, stateRoot, bundle });
  return copy;
}

describe('an archive that we have made', () => {
  test.each(['web.tar', 'web.tar.gz'])(
    '(%s) of a container that has ended is restored',
    async (name) => {
      const { container, image } = await started();
      const { id, stateRoot } = container;
      const file = container.path(name);
      await checkpoint(id, { stateRoot, export: file });
      const before = await container.ticks();
      await using opened = await openCheckpoint(file);
      expect(opened.info).toMatchObject({
        name: id,
        runtime: 'runc',
        format: 'podman',
        hasSpec: true,
      });
      expect(opened.info.criuVersion).toMatch(/^\d+\.\d+/);
      const copy = await restored(file, image);
      await copy.countsOn();
      const ticks = await copy.ticks();
      expect(ticks.slice(0, before.length)).toEqual(before);
      expect(brokenTicks(ticks)).toEqual([]);
    },
  );

  test('of a container that runs on is restored beside it, with its files in step', async () => {
    const { container, image } = await started();
    const { id, stateRoot } = container;
    const file = container.path('web.tar');
    await checkpoint(id, { stateRoot, export: file, leaveRunning: true });
    await container.countsOn();
    const copy = await restored(file, image);
    await copy.countsOn();
    await container.countsOn();
    expect(brokenTicks(await copy.ticks())).toEqual([]);
    expect(brokenTicks(await container.ticks())).toEqual([]);
  });
});
