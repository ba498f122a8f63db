import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { requireNeeds } from '../needs.js';
import { environmentWithCriu } from '../paths.js';
import { Scope } from '../scope.js';
import { run, until } from '../system/exec.js';
import { boxArchive, call, dockerLike, type Engine, image } from './engine.js';

/** The runtime: Debian 12's crun is built without CRIU, and restores nothing. */
export const runtime = process.env['LIBCRIU_PODMAN_RUNTIME'] ?? 'runc';

/** What only podman has. */
export interface Podman extends Engine {
  /** Runs a command of podman. */
  call: (...args: string[]) => Promise<string>;
  /** Where its images and containers are. */
  graphRoot: string;
  /** Runs `podman container restore`, which makes a container of that name. */
  restore: (name: string, ...args: string[]) => Promise<void>;
  /** Runs a command in a container. */
  exec: (name: string, ...command: string[]) => Promise<string>;
  /** Removes a container that was ended. For a moment podman is still unmounting what that had. */
  remove: (name: string) => Promise<void>;
  /** Checkpoints a container into an archive, and removes it. */
  archive: (name: string, file: string, flags?: readonly string[]) => Promise<void>;
}

/**
 * Starts a podman with overlays before the tests of a file, and takes it away after them.
 *
 * @param use - Gets it.
 */
export function usePodman(use: (podman: Podman) => void): void {
  const scope = new Scope();
  beforeAll(async () => {
    requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'podman');
    use(await startPodman(scope, 'overlay'));
    return () => scope.close();
  }, 120_000);
}

/** podman with its storage in the scope's directory. It has no daemon. */
export async function startPodman(
  scope: Scope,
  driver: 'vfs' | 'overlay' = 'vfs',
): Promise<Podman> {
  const directory = await scope.directory();
  const global = [
    ...['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')],
    ...['--tmpdir', join(directory, 'tmp'), '--storage-driver', driver],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime],
  ];
  const podman = (...args: string[]): Promise<string> => call('podman', [...global, ...args]);
  const remove = (name: string): Promise<unknown> =>
    run('podman', [...global, 'rm', '-f', '-t', '0', name]);
  // The driver overlay mounts its own directory over itself, and does so again in each podman: one that
  // cleans up after a container may still be at work.
  const storage = join(directory, 'storage');
  scope.defer(() =>
    until('the storage is removed', async () => {
      await run('umount', ['--lazy', join(storage, driver)]);
      return rm(storage, { recursive: true, force: true }).then(
        () => true,
        () => false,
      );
    }),
  );
  await podman('import', await boxArchive(scope), image);
  return {
    graphRoot: join(directory, 'storage'),
    version: async () =>
      `podman ${await podman('version', '--format', '{{.Client.Version}}')} (${runtime})`,
    runtime,
    ...dockerLike(scope, podman, remove),
    call: podman,
    restore: async (name, ...args) => {
      scope.defer(() => remove(name));
      await podman('container', 'restore', ...args);
    },
    exec: (name, ...command) => podman('exec', name, ...command),
    remove: (name) =>
      until(
        `podman removes ${name}`,
        async () =>
          (await run('podman', [...global, 'rm', '-f', '-i', '-t', '0', name])).code === 0,
        20_000,
      ).then(() => {}),
    archive: async (name, file, flags = []) => {
      await podman('container', 'checkpoint', ...flags, '--export', file, name);
      await podman('rm', '-f', '-t', '0', name);
    },
    // For a moment podman says that a container has exited and restores none that has not.
    restoreInPlace: async (name) => {
      const restore = [...global, 'container', 'restore', name];
      await until(
        'podman restores it',
        async () => (await run('podman', restore, { env: environmentWithCriu() })).code === 0,
        20_000,
      );
    },
  };
}
