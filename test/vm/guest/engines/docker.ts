import { mkdir, writeFile } from 'node:fs/promises';
import type { Scope } from '../../../helpers/cleanup.js';
import { boxArchive, call, dockerLike, image } from '../../../helpers/engines/engine.js';
import { environmentWithCriu } from '../../../helpers/paths.js';
import { casesOf, type MachineEngine } from '../engine-cases.js';
import { systemctl, writeUnitFile } from '../service.js';
import type { Suite } from '../suite-module.js';

export const title = 'docker, as a service of systemd';

const settings = { experimental: true, bridge: 'none', iptables: false, ip6tables: false };

async function startDocker(scope: Scope): Promise<MachineEngine> {
  await mkdir('/etc/docker', { recursive: true });
  await writeFile('/etc/docker/daemon.json', JSON.stringify(settings));
  // Each has the runtime look for criu in its own PATH.
  for (const name of ['containerd', 'docker']) {
    const text = `[Service]\nEnvironment="PATH=${environmentWithCriu()['PATH']}"\n`;
    await writeUnitFile(scope, `/run/systemd/system/${name}.service.d/criu.conf`, text);
  }
  await systemctl('start', 'docker.service');
  scope.defer(() => systemctl('stop', 'docker.service', 'docker.socket', 'containerd.service'));
  const docker = (...args: string[]): Promise<string> => call('docker', args);
  await docker('import', await boxArchive(scope), image);
  return {
    ...dockerLike(scope, docker, (name) => docker('rm', '-f', name)),
    kind: 'docker',
    runtime: 'runc',
    version: () => docker('version', '--format', 'docker {{.Server.Version}}'),
    place: 'first',
    pidOf: async (name) => Number(await docker('inspect', '--format', '{{.State.Pid}}', name)),
    restoreInPlace: async (name, checkpoint) => {
      await docker('start', '--checkpoint', checkpoint, name);
    },
  };
}

export const suite: Suite = casesOf(startDocker);
