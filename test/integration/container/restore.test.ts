import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  checkpoint,
  type RestoreContainerOptions,
  type RestoreContainerResult,
  restoreContainer,
  restore as restoreProcess,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { brokenTicks, type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

/** A container that has ended with its checkpoint, and where that is. */
async function checkpointed(): Promise<{ container: Container; imagePath: string }> {
  const container = await startContainer(scope);
  const imagePath = container.path('images');
  await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
  return { container, imagePath };
}

function restore(
  container: Container,
  options: RestoreContainerOptions,
): Promise<RestoreContainerResult> {
  const { id, stateRoot, bundle } = container;
  return restoreContainer(id, { stateRoot, bundle, ...options });
}

test('restoreContainer brings a container back where it stopped', async () => {
  const { container, imagePath } = await checkpointed();
  const before = (await container.ticks()).length;
  const result = await restore(container, { imagePath });
  expect(result).toMatchObject({
    containerId: container.id,
    pid: container.pid,
    imagePath,
    logFile: join(imagePath, 'restore.log'),
    warnings: [],
  });
  expect(result.durationMs).toBeGreaterThan(0);
  expect(await container.status()).toBe('running');
  await container.countsOn();
  expect((await container.ticks()).length).toBeGreaterThan(before);
  expect(brokenTicks(await container.ticks())).toEqual([]);
});

optionTest(['bundle', 'pidFile', 'runtime'], 'reach the runtime', async () => {
  const { container, imagePath } = await checkpointed();
  const pidFile = container.path('pid');
  const workPath = container.path('work');
  const { pid, logFile } = await restore(container, {
    imagePath,
    workPath,
    pidFile,
    runtime: '/usr/sbin/runc',
  });
  expect(readFileSync(pidFile, 'utf8')).toBe(String(pid));
  expect(logFile).toBe(join(workPath, 'restore.log'));
  expect(existsSync(logFile)).toBe(true);
  expect(existsSync(join(imagePath, 'restore.log'))).toBe(false);
});

optionTest(
  ['consoleSocket', 'noPivot'],
  'are refused by the runtime where they do not fit',
  async () => {
    const { container, imagePath } = await checkpointed();
    const consoleSocket = container.path('no-such-socket');
    const error = await failureOf(restore(container, { imagePath, consoleSocket }));
    expect(error.code).toBe('ERR_RUNTIME_FAILED');
    expect(error.message).toMatch(/console.socket/);
    // The root of this container is on a disk, where it has no effect.
    await restore(container, { imagePath, noPivot: true });
    await container.countsOn();
  },
);

describe('restoreContainer fails', () => {
  test('because there is such a container', async () => {
    const { container, imagePath } = await checkpointed();
    await restore(container, { imagePath });
    const error = await failureOf(restore(container, { imagePath }));
    expect(error).toMatchObject({ code: 'ERR_RUNTIME_FAILED', operation: 'restoreContainer' });
    expect(error.message).toMatch(/exist/);
    await container.countsOn();
  });

  test('because a file is gone, with the cause from the log of CRIU', async () => {
    const container = await startContainer(scope, {
      args: ['/workload', '-', 'count', '/log', '5000'],
    });
    const imagePath = container.path('images');
    await until('it counts', () => existsSync(join(container.rootfs, 'log')));
    await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
    await rm(join(container.rootfs, 'log'));
    const error = await failureOf(restore(container, { imagePath }));
    expect(error.code).toBe('ERR_RUNTIME_FAILED');
    expect(error.message).toMatch(/Can't open file log/);
    expect(error.log.join()).toMatch(/Can't open file log/);
    expect(await container.status()).toBeUndefined();
  });

  test('because there is no such runtime', async () => {
    const { container, imagePath } = await checkpointed();
    const error = await failureOf(restore(container, { imagePath, runtime: 'no-such-runtime' }));
    expect(error.code).toBe('ERR_RUNTIME_NOT_FOUND');
    expect(error.message).toContain('no-such-runtime');
  });

  test('because there are no images, or no bundle', async () => {
    const { container, imagePath } = await checkpointed();
    const empty = container.path('empty');
    await mkdir(empty);
    for (const wrong of [empty, container.path('missing')]) {
      const error = await failureOf(restore(container, { imagePath: wrong }));
      expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
      expect(error.message).toContain(wrong);
    }
    await expect(restore(container, { imagePath, bundle: empty })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('bundle') as string,
    });
    await expect(restoreContainer('a/b', { imagePath })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(await container.status()).toBeUndefined();
  });

  test.each([0, 20, 60])('because it is given up after %i ms', async (timeMs) => {
    const { container, imagePath } = await checkpointed();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), timeMs);
    const outcome = await restore(container, { imagePath, signal: controller.signal }).then(
      () => 'restored',
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (outcome === 'restored') return await container.countsOn();
    expect(outcome).toBe('ABORT_ERR');
    expect(await container.status()).toBeUndefined();
    await restore(container, { imagePath });
    await container.countsOn();
  });
});

describe('the runtime of restoreContainer', () => {
  /** A runtime that writes down what it is called with, and does what the script says. */
  async function fakeRuntime(script: string): Promise<{
    calls: () => string[];
    call: (cgroupsPath: unknown, id?: string) => Promise<unknown>;
    stateRoot: string;
  }> {
    const directory = await scope.directory();
    const path = (name: string): string => join(directory, name);
    const runtime = path('runtime');
    const text = `#!/bin/sh\necho "$*" >> ${path('calls')}\n${script}\n`;
    await writeFile(runtime, text, { mode: 0o755 });
    const stateRoot = path('state');
    await mkdir(stateRoot);
    await mkdir(path('images'));
    await writeFile(path('images/inventory.img'), '');
    const call = async (cgroupsPath: unknown, id = 'web'): Promise<unknown> => {
      await writeFile(path('config.json'), JSON.stringify({ linux: { cgroupsPath } }));
      const options = { runtime, stateRoot, bundle: directory, imagePath: path('images') };
      return failureOf(restoreContainer(id, options));
    };
    return {
      calls: () => readFileSync(path('calls'), 'utf8').trim().split('\n'),
      call,
      stateRoot,
    };
  }

  test.each([
    ['system.slice:runc:web', true],
    [':runc:web', true],
    ['a-b.slice::web', true],
    ['/web', false],
    ['/a:b:c', false],
    ['a/b:c:d', false],
    ['web', false],
    ['a:b', false],
    ['a:b:c:d', false],
    ['a:b:', false],
    [undefined, false],
    [7, false],
  ])('with the cgroup %s is told to use systemd: %s', async (cgroupsPath, expected) => {
    const { calls, call } = await fakeRuntime('exit 1');
    await call(cgroupsPath);
    expect(calls()).toHaveLength(1);
    expect(/^--root \S+ --systemd-cgroup .*restore /.test(calls()[0] ?? '')).toBe(expected);
  });

  test('that fails leaves no state of the container', async () => {
    const makesState = 'case "$*" in *restore*) mkdir "$2/web" && exit 1;; esac';
    const { calls, call, stateRoot } = await fakeRuntime(makesState);
    for (const _try of [1, 2]) {
      await call('/web');
      expect(readdirSync(stateRoot)).toEqual([]);
    }
    expect(calls().filter((line) => line.includes('delete --force web'))).toHaveLength(2);
  });

  test('that fails keeps the state of a container that is there', async () => {
    const { calls, call, stateRoot } = await fakeRuntime('exit 1');
    await mkdir(join(stateRoot, 'web'));
    await call('/web');
    expect(readdirSync(stateRoot)).toEqual(['web']);
    expect(calls()).toHaveLength(1);
  });

  test('that is told of a container made meanwhile keeps it', async () => {
    const says = `{"level":"error","msg":"container with given ID already exists"}`;
    const script = `mkdir "$2/web"; while [ "$1" != --log ]; do shift; done; echo '${says}' > "$2"; exit 1`;
    const { calls, call, stateRoot } = await fakeRuntime(script);
    await call('/web');
    expect(readdirSync(stateRoot)).toEqual(['web']);
    expect(calls()).toHaveLength(1);
  });
});

test('images of a container that are given to restore are answered with what brings it back', async () => {
  const { container, imagePath } = await checkpointed();
  const told = async (): Promise<string> => (await failureOf(restoreProcess(imagePath))).message;
  const end = 'which its runtime brings back: runc restore, or restoreContainer()';
  expect(await told()).toContain(`The images are of container "${container.id}", ${end}`);
  // The runtimes' own commands leave no such file.
  await rm(join(imagePath, 'libcriu-container.json'));
  expect(await told()).toContain(`The images are of a container, ${end}`);
  await restore(container, { imagePath });
  await container.countsOn();
});
