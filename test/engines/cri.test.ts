import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkpoint, listContainers } from '../helpers/api.js';
import { startCri } from '../helpers/engines/cri.js';
import { reportRow } from '../helpers/engines/report.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { until } from '../helpers/system/exec.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'containerd', 'podman'),
);

test('a container of a pod is saved by its name while it runs, and is restored in another pod', async () => {
  const cri = await startCri(scope);
  const beyond = (id: string, number: number): Promise<number> =>
    until(`${id} counts beyond ${number}`, async () => {
      const count = await cri.count(id).catch(() => 0);
      return count > number && count;
    });
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
  await beyond(id, await cri.count(id));
  const restored = await cri.run('shop-again', 'web', archive);
  const after = await beyond(restored, before);
  reportRow({ engine: cri.version, way: 'archive', before, after });
});
