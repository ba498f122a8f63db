import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkpoint, restoreContainer } from '../../helpers/api.js';
import { startContainerd } from '../../helpers/engines/containerd.js';
import { startDocker } from '../../helpers/engines/docker.js';
import { boxImageArchive, countsBeyond, image } from '../../helpers/engines/engine.js';
import { startPodman } from '../../helpers/engines/podman.js';
import { requireNeeds } from '../../helpers/needs.js';
import { rejection } from '../../helpers/rejection.js';
import { type Scope, useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';

const scope = useScope();
const unique = (name: string): string => `libcriu-${process.pid}-${name}`;

/** An engine with an image of two layers. */
interface WithImage {
  /** Starts a container that counts. */
  start: (name: string) => Promise<void>;
  remove: (name: string) => Promise<unknown>;
  /** Takes the image away. */
  removeImage: () => Promise<unknown>;
}

const engines: Record<string, (scope: Scope) => Promise<WithImage>> = {
  'docker with overlay2': (of) => withDocker(of, 'overlay2'),
  'docker with vfs': (of) => withDocker(of, 'vfs'),
  'podman with overlay': (of) => withPodman(of, 'overlay'),
  'podman with vfs': (of) => withPodman(of, 'vfs'),
  containerd: (of) => withContainerd(of),
  'containerd with native': (of) => withContainerd(of, ['--snapshotter', 'native']),
};

async function withDocker(of: Scope, driver: 'overlay2' | 'vfs'): Promise<WithImage> {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'runc', 'docker');
  const docker = await startDocker(of, driver);
  await docker.call('load', '--input', await boxImageArchive(of));
  return {
    start: async (name) => {
      await docker.start({ name });
      await countsBeyond(docker, name, 5);
    },
    remove: (name) => docker.call('rm', '--force', name),
    removeImage: () => docker.call('rmi', image),
  };
}

async function withPodman(of: Scope, driver: 'overlay' | 'vfs'): Promise<WithImage> {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'runc', 'podman');
  const podman = await startPodman(of, driver);
  const name = `localhost/${image}`;
  await podman.call('load', '--input', await boxImageArchive(of, name));
  const directory = await of.directory();
  const conf = join(directory, 'storage.conf');
  const lines = [`driver = "${driver}"`, `graphroot = "${podman.graphRoot}"`];
  writeFileSync(conf, ['[storage]', ...lines, `runroot = "${directory}"`, ''].join('\n'));
  process.env['CONTAINERS_STORAGE_CONF'] = conf;
  of.defer(() => {
    delete process.env['CONTAINERS_STORAGE_CONF'];
  });
  return {
    start: async (container) => {
      await podman.start({ name: container });
      await countsBeyond(podman, container, 5);
    },
    remove: (container) => podman.call('rm', '--force', '--time', '0', container),
    removeImage: () => podman.call('rmi', name),
  };
}

async function withContainerd(of: Scope, flags: readonly string[] = []): Promise<WithImage> {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'runc', 'containerd');
  const containerd = await startContainerd(of, flags);
  return {
    start: async (name) => {
      await containerd.startOfImage({ name, flags });
      await countsBeyond(containerd, name, 5);
    },
    remove: (name) => containerd.remove(name),
    removeImage: () => containerd.call('images', 'rm', `docker.io/library/${image}`),
  };
}

function countIn(bundle: string): number {
  try {
    return Number(readFileSync(join(bundle, 'rootfs/count'), 'utf8').trim());
  } catch {
    return 0;
  }
}

describe.each(Object.keys(engines))('the files of an image of %s', (name) => {
  test('are found, and a container is restored of a copy of them', async () => {
    const its = await (engines[name] as (typeof engines)[string])(scope);
    const id = unique(name.replaceAll(' ', '-'));
    await its.start(id);
    const directory = await scope.directory();
    const from = join(directory, 'web.tar');
    await checkpoint(id, { export: from });
    await its.remove(id);
    // As the root of a machine with systemd is: the root of a container of docker is the slave of another.
    const shared = await mountTmpfs(scope, 'mode=755');
    await runOk('mount', ['--make-shared', shared]);
    const stateRoot = join(directory, 'state');
    const bundle = join(shared, 'bundle');
    scope.defer(() => run('runc', ['--root', stateRoot, 'delete', '--force', id]));
    const { warnings } = await restoreContainer(id, { from, stateRoot, bundle });
    expect(warnings.filter((warning) => !warning.includes('hooks of its engine'))).toEqual([]);
    await until('it counts on', () => countIn(bundle) > 5, 20_000);
    const root = join(bundle, 'rootfs');
    expect(existsSync(join(root, 'second'))).toBe(true);
    expect(existsSync(join(root, 'removed'))).toBe(false);
    expect(readdirSync(bundle)).not.toContain('rootfs.image');
    // The files are its own: the image may go.
    await its.removeImage();
    const before = countIn(bundle);
    await until('it counts on', () => countIn(bundle) > before, 20_000);
    const again = { from, stateRoot, bundle: `${bundle}-2` };
    const error = await rejection(restoreContainer(`${id}-2`, again));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: ['from', 'rootfs'] });
    expect(error.message).toMatch(/no engine of this machine has the image \S+libcriu-box:1/);
    expect(existsSync(`${bundle}-2`)).toBe(false);
  });
});

test.each([0, 20, 60, 150])('a restore that is given up after %i ms leaves nothing', async (ms) => {
  const its = await withContainerd(scope);
  const id = unique(`given-up-${ms}`);
  await its.start(id);
  const directory = await scope.directory();
  const from = join(directory, 'web.tar');
  await checkpoint(id, { export: from });
  await its.remove(id);
  const stateRoot = join(directory, 'state');
  const bundle = join(directory, 'bundle');
  scope.defer(() => run('runc', ['--root', stateRoot, 'delete', '--force', id]));
  const signal = AbortSignal.timeout(ms);
  const outcome = await restoreContainer(id, { from, stateRoot, bundle, signal }).then(
    () => 'restored',
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (outcome === 'restored') return;
  expect(outcome).toBe('ABORT_ERR');
  expect(existsSync(bundle)).toBe(false);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
});
