import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentWithCriu } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, until } from '../system/exec.js';
import { boxArchive, call, counter, type Engine } from './engine.js';

/** What only containerd has. */
export interface Containerd extends Engine {
  /** Runs a command of ctr. */
  call: (...args: string[]) => Promise<string>;
}

/** A containerd of its own. Its containers are in a namespace that no other test has. */
export async function startContainerd(scope: Scope): Promise<Containerd> {
  const directory = await scope.directory();
  const socket = join(directory, 'sock');
  const config = join(directory, 'config.toml');
  const namespace = `libcriu-${process.pid}`;
  await writeFile(
    config,
    `version = 2
root = "${join(directory, 'root')}"
state = "${join(directory, 'state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${socket}"
`,
  );
  const daemon = spawn('containerd', ['--config', config], {
    stdio: 'ignore',
    env: environmentWithCriu(),
  });
  const gone = once(daemon, 'exit');
  scope.defer(async () => {
    daemon.kill('SIGTERM');
    await gone;
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
  const answers = async (): Promise<boolean> =>
    (await run('ctr', [...global, 'version'])).code === 0;
  await until('containerd answers', answers, 60_000);
  // Without an image: a root file system of its own for each container.
  const archive = await boxArchive(scope);
  return {
    call: ctr,
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
      scope.defer(async () => {
        await run('ctr', [...global, 'task', 'delete', '--force', name]);
        await run('ctr', [...global, 'container', 'delete', name]);
      });
    },
    count: async (name) =>
      Number(await ctr('task', 'exec', '--exec-id', `count-${Date.now()}`, name, 'cat', '/count')),
    status: async (name) => {
      const line = (await ctr('task', 'list'))
        .split('\n')
        .find((one) => one.startsWith(`${name} `));
      return line?.trim().split(/\s+/).at(-1) ?? '';
    },
  };
}
