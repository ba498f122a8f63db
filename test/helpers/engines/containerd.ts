import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { run } from '../system/exec.js';
import { startContainerdIn } from './daemon.js';
import {
  boxArchive,
  boxImageArchive,
  call,
  counter,
  type Engine,
  type EngineRun,
  image,
} from './engine.js';

/** The name that containerd gives the image of the tests. */
export const containerdImage: string = `docker.io/library/${image}`;

/** What only containerd has. */
export interface Containerd extends Engine {
  /** Runs a command of ctr. */
  call: (...args: string[]) => Promise<string>;
  /** Starts a program in a container of an image, whose files are an overlay. */
  startOfImage: (run: EngineRun) => Promise<void>;
  /** Restores the image of a checkpoint, and makes a container of that name. */
  restore: (name: string, checkpoint: string) => Promise<void>;
  /** Runs a command in a container. */
  exec: (name: string, ...command: string[]) => Promise<string>;
  /** Removes a container, which may be running. */
  remove: (name: string) => Promise<void>;
  /** The environment by which `ctr` finds it. */
  env: { CONTAINERD_ADDRESS: string; CONTAINERD_NAMESPACE: string };
}

/**
 * A containerd of its own. Its containers are in a namespace that no other test has.
 *
 * @param importFlags - Of `ctr images import`.
 */
export async function startContainerd(
  scope: Scope,
  importFlags: readonly string[] = [],
): Promise<Containerd> {
  const directory = await scope.directory();
  const namespace = `libcriu-${process.pid}`;
  const { socket } = await startContainerdIn(scope, directory, {
    version: 2,
    top: 'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
  });
  // It leaves what all containers of a namespace have in common.
  scope.defer(async () => {
    await rm(join('/run/containerd/runc', namespace), { recursive: true, force: true });
    const cgroups = '/sys/fs/cgroup';
    for (const hierarchy of ['.', ...(await readdir(cgroups))]) {
      await rmdir(join(cgroups, hierarchy, namespace)).catch(() => {});
    }
  });
  const global = ['--address', socket, '--namespace', namespace];
  const ctr = (...args: string[]): Promise<string> => call('ctr', [...global, ...args]);
  // Without an image: a root file system of its own for each container.
  const archive = await boxArchive(scope);
  const remove = async (name: string): Promise<void> => {
    await run('ctr', [...global, 'task', 'delete', '--force', name]);
    await run('ctr', [...global, 'container', 'delete', name]);
  };
  let images = 0;
  const exec = (name: string, ...command: string[]): Promise<string> =>
    ctr('task', 'exec', '--exec-id', `exec-${process.hrtime.bigint()}`, name, ...command);
  return {
    call: ctr,
    env: { CONTAINERD_ADDRESS: socket, CONTAINERD_NAMESPACE: namespace },
    exec,
    remove,
    startOfImage: async ({ name, flags = [], program = counter }) => {
      images += 1;
      if (images === 1) await ctr('images', 'import', ...importFlags, await boxImageArchive(scope));
      await ctr('run', '--detach', ...flags, containerdImage, name, ...program);
      scope.defer(() => remove(name));
    },
    restore: async (name, checkpoint) => {
      scope.defer(() => remove(name));
      await ctr('containers', 'restore', '--live', '--rw', name, checkpoint);
    },
    runtime: 'runc',
    version: async () =>
      `containerd ${(await call('containerd', ['--version'])).split(' ')[2] ?? ''}`,
    start: async ({ name, flags = [] }) => {
      const rootfs = join(directory, name);
      await mkdir(rootfs);
      await call('tar', ['-C', rootfs, '-xf', archive]);
      await ctr(
        'run',
        '--detach',
        '--env',
        'PATH=/bin',
        ...flags,
        '--rootfs',
        rootfs,
        name,
        ...counter,
      );
      scope.defer(() => remove(name));
    },
    count: async (name) => Number(await exec(name, 'cat', '/count')),
    status: async (name) => {
      const line = (await ctr('task', 'list'))
        .split('\n')
        .find((one) => one.startsWith(`${name} `));
      return line?.trim().split(/\s+/).at(-1) ?? '';
    },
  };
}
