import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Cri, startCri } from '../helpers/engines/cri.js';
import { startRegistry } from '../helpers/engines/registry.js';
import { reportRow, type Way } from '../helpers/engines/report.js';
import { countsOn, follow, hideMachine, readersEnvironment } from '../helpers/guide.js';
import { requireNeeds } from '../helpers/needs.js';
import { type Scope, useScope } from '../helpers/scope.js';
import { runOk, until } from '../helpers/system/exec.js';
import { mountTmpfs } from '../helpers/system/mounts.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'containerd', 'podman'),
);

/** The directory in which kubelet has the checkpoints that it is asked for. */
async function kubeletsDirectory(): Promise<string> {
  const kubelet = '/var/lib/kubelet';
  const made = mkdirSync(kubelet, { recursive: true });
  if (made !== undefined) scope.defer(() => runOk('rmdir', [kubelet]));
  await mountTmpfs(scope, 'mode=700', kubelet);
  const directory = join(kubelet, 'checkpoints');
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}

/** Serves the image that a file has, and gives its name. */
async function serve(within: Scope, file: string): Promise<string> {
  const layout = await within.directory();
  await runOk('tar', ['-C', layout, '-xf', file]);
  return `${await startRegistry(within, layout)}/web:checkpoint`;
}

async function restores(cri: Cri, pod: string, from: string, before: number): Promise<number> {
  const id = await cri.run(pod, 'web', from);
  const first = await until(`${pod} has a number`, async () => {
    const number = await cri.count(id).catch(() => 0);
    return number !== 0 && number;
  });
  expect(first).toBeGreaterThanOrEqual(before);
  expect(await countsOn({ count: () => cri.count(id) }, pod)()).toBe(true);
  return cri.count(id);
}

test('the commands of docs/guides/kubernetes.md save a container of a pod, and new pods go on', async () => {
  await hideMachine(scope);
  const directory = await kubeletsDirectory();
  const cri = await startCri(scope);
  const id = await cri.run('shop', 'web', cri.image);
  const look = countsOn({ count: () => cri.count(id) }, 'web');
  await look();
  const before = await cri.count(id);
  const ofKubelet = join(directory, 'checkpoint-shop_default-web-2026-01-01T00:00:00Z.tar');
  await cri.checkpoint(id, ofKubelet);
  await follow(scope, 'docs/guides/kubernetes.md', readersEnvironment({}), look);

  const image = await serve(scope, '/srv/web.oci');
  await cri.pull(image);
  const sources: readonly [string, string, Way?][] = [
    ['shop-by-image', image, 'OCI image'],
    ['shop-by-archive', '/srv/web.tar', 'archive'],
    ['shop-by-kubelet', ofKubelet],
  ];
  for (const [pod, from, way] of sources) {
    const after = await restores(cri, pod, from, before);
    if (way !== undefined) reportRow({ engine: cri.version, way, before, after });
  }
});
