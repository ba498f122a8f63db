import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkpoint, listContainers } from '../helpers/api.js';
import { type Cri, startCri } from '../helpers/engines/cri.js';
import { reportRow, type Way } from '../helpers/engines/report.js';
import { requireNeeds } from '../helpers/needs.js';
import { Scope, useScope } from '../helpers/scope.js';
import { until } from '../helpers/system/exec.js';

const scope = useScope();
const shared = new Scope();
let cri: Cri;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'containerd', 'podman');
  cri = await startCri(shared);
  return () => shared.close();
}, 120_000);

const beyond = (id: string, number: number): Promise<number> =>
  until(`${id} counts beyond ${number}`, async () => {
    const count = await cri.count(id).catch(() => 0);
    return count > number && count;
  });

const report = (way: Way, before: number, after: number): void =>
  reportRow({ engine: cri.version, way, before, after });

test('a container of a pod is saved by its name while it runs, and is restored in another pod', async () => {
  const id = await cri.run('shop', 'web', cri.image);
  await beyond(id, 20);
  const { containers } = await listContainers();
  expect(containers).toContainEqual(
    expect.objectContaining({ engine: 'containerd', id, name: 'default/shop/web' }),
  );
  const archive = join(await scope.directory(), 'web.tar');
  const before = await cri.count(id);
  const { containerId } = await checkpoint('shop/web', {
    export: archive,
    compression: 'none',
    leaveRunning: true,
  });
  expect(containerId).toBe(id);
  const running = await beyond(id, await cri.count(id));
  report('by name', before, running);
  report('left running', before, running);
  const restored = await cri.run('shop-again', 'web', archive);
  report('archive', before, await beyond(restored, before));
});

test('a container of a pod has ended by its checkpoint, and is restored in another pod', async () => {
  const id = await cri.run('mill', 'web', cri.image);
  const before = await beyond(id, 20);
  const archive = join(await scope.directory(), 'web.tar');
  await checkpoint('mill/web', { export: archive, compression: 'none' });
  await until('its engine knows', async () => (await cri.state(id)) === 'exited');
  const restored = await cri.run('mill-again', 'web', archive);
  report('killed', before, await beyond(restored, before));
});
