import type { Scope } from '../../../helpers/cleanup.js';
import { boxArchive, call, dockerLike, image } from '../../../helpers/engines/engine.js';
import { environmentWithCriu } from '../../../helpers/paths.js';
import { run, until } from '../../../helpers/system/exec.js';
import { casesOf, type MachineEngine } from '../engine-cases.js';
import type { Suite } from '../suite-module.js';

export const title = 'podman with its own storage, by systemd';

/** Debian's crun is built without CRIU. */
const global = ['--runtime', 'runc'] as const;

async function startPodman(scope: Scope): Promise<MachineEngine> {
  const podman = (...args: string[]): Promise<string> => call('podman', [...global, ...args]);
  await podman('import', await boxArchive(scope), image);
  return {
    ...dockerLike(scope, podman, (name) => podman('rm', '-f', '-t', '0', name)),
    kind: 'podman',
    runtime: 'runc',
    version: () => podman('version', '--format', 'podman {{.Client.Version}} with runc'),
    place: 'checkpoint',
    pidOf: async (name) => Number(await podman('inspect', '--format', '{{.State.Pid}}', name)),
    // For a moment podman says that a container has exited and restores none that has not.
    restoreInPlace: async (name) => {
      const restore = [...global, 'container', 'restore', name];
      const isRestored = async (): Promise<boolean> =>
        (await run('podman', restore, { env: environmentWithCriu() })).code === 0;
      await until('podman restores it', isRestored, 20_000);
    },
  };
}

export const suite: Suite = casesOf(startPodman);
