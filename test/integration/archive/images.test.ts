import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint, restoreContainer } from '../../helpers/api.js';
import { startContainerd } from '../../helpers/engines/containerd.js';
import { boxArchive, counter, countsBeyond, image } from '../../helpers/engines/engine.js';
import { type Podman, startPodman } from '../../helpers/engines/podman.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';

const scope = useScope();
const shared = new Scope();
afterAll(() => shared.close());

let podman: Podman;
/** The files of the image. */
let rootfs: string;

beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'runc', 'podman', 'containerd');
  podman = await startPodman(shared);
  rootfs = join(await shared.directory(), 'box');
  mkdirSync(rootfs);
  await runOk('tar', ['-C', rootfs, '-xf', await boxArchive(shared)]);
}, 120_000);

/** Restores a checkpoint, and waits until the container has counted beyond a number. */
async function restoresAndCounts(from: string, count: number): Promise<void> {
  const id = `libcriu-${process.pid}-of-${basename(from)}`;
  const directory = await scope.directory();
  const stateRoot = join(directory, 'state');
  scope.defer(() => run('runc', ['--root', stateRoot, 'delete', '--force', id]));
  const { bundle } = await restoreContainer(id, {
    from,
    rootfs,
    stateRoot,
    bundle: join(directory, 'bundle'),
  });
  const counted = (): number => {
    try {
      return Number(readFileSync(join(bundle, 'rootfs/count'), 'utf8'));
    } catch {
      return 0; // It is just being written.
    }
  };
  await until('it counts on', () => counted() > count, 20_000);
}

describe('the image of a checkpoint', () => {
  test('of podman is restored from its layout and from an archive', async () => {
    const name = `libcriu-${process.pid}-podman`;
    const made = `localhost/${name}:1`;
    await podman.start({ name });
    const count = await countsBeyond(podman, name, 5);
    await podman.call('container', 'checkpoint', '--create-image', made, name);
    const directory = await scope.directory();
    for (const format of ['oci-archive', 'oci-dir']) {
      const from = join(directory, format);
      await podman.call('save', '--format', format, '--output', from, made);
      await using checkpoint = await openCheckpoint(from);
      expect(checkpoint.info).toMatchObject({
        engine: 'podman',
        name,
        format: 'image',
        hasSpec: true,
      });
      await restoresAndCounts(from, count);
    }
  });

  test('of ctr is restored', async () => {
    const its = await startContainerd(scope);
    const directory = await scope.directory();
    const box = join(directory, 'box.tar');
    await podman.call('save', '--format', 'oci-archive', '--output', box, image);
    await its.call('images', 'import', '--snapshotter', 'native', '--index-name', image, box);
    const name = `libcriu-${process.pid}-ctr`;
    const flags = ['--detach', '--env', 'PATH=/bin', '--snapshotter', 'native'];
    await its.call('run', ...flags, image, name, ...counter);
    scope.defer(() => its.call('task', 'delete', '--force', name));
    const count = await countsBeyond(its, name, 5);
    await its.call('containers', 'checkpoint', '--task', '--rw', name, 'checkpoint:1');
    const from = join(directory, 'checkpoint.tar');
    await its.call('images', 'export', '--skip-manifest-json', from, 'checkpoint:1');
    await using checkpoint = await openCheckpoint(from);
    expect(checkpoint.info).toMatchObject({
      engine: 'containerd',
      format: 'containerd',
      name,
      id: name,
      hasSpec: true,
      hasRootfsChanges: true,
    });
    await restoresAndCounts(from, count);
  });
});
