import { join } from 'node:path';
import { environmentWithCriu } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, until } from '../system/exec.js';
import { boxArchive, call, dockerLike, type Engine, image } from './engine.js';

/** The runtime: Debian 12's crun is built without CRIU, and restores nothing. */
const runtime = process.env['LIBCRIU_PODMAN_RUNTIME'] ?? 'runc';

/** podman with its storage in the scope's directory. It has no daemon. */
export async function startPodman(scope: Scope): Promise<Engine> {
  const directory = await scope.directory();
  const global = [
    ...['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')],
    ...['--tmpdir', join(directory, 'tmp'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime],
  ];
  const podman = (...args: string[]): Promise<string> => call('podman', [...global, ...args]);
  await podman('import', await boxArchive(scope), image);
  return {
    version: async () =>
      `podman ${await podman('version', '--format', '{{.Client.Version}}')} (${runtime})`,
    ...dockerLike(scope, podman, (name) => run('podman', [...global, 'rm', '-f', '-t', '0', name])),
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
