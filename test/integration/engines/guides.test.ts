import { beforeEach, test } from 'vitest';
import { startDocker } from '../../helpers/engines/docker.js';
import { boxArchive } from '../../helpers/engines/engine.js';
import { podmanFiles, removeContainers } from '../../helpers/engines/podman-files.js';
import { countsOn, follow, hideMachine, readersEnvironment } from '../../helpers/guide.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';

const scope = useScope();
beforeEach(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox');
  await hideMachine(scope);
});

/** Has an engine's command, as a reader calls it, tell what a container has written last. */
const counterOf = (command: string, env: NodeJS.ProcessEnv) => ({
  count: async (name: string) =>
    Number(await runOk(command, ['exec', name, 'cat', '/count'], { env })),
});

test('the commands of docs/guides/docker.md bring a container of docker back', async () => {
  requireNeeds('docker');
  const { call, socket } = await startDocker(scope);
  await call('import', await boxArchive(scope), 'busybox');
  const env = readersEnvironment({ DOCKER_HOST: socket });
  scope.defer(() => run('docker', ['rm', '-f', 'web'], { env }));
  const look = countsOn(counterOf('docker', env), 'web');
  await follow(scope, 'docs/guides/docker.md', env, look);
});

test('the commands of docs/guides/podman.md bring a container of podman back', async () => {
  requireNeeds('podman', 'runc');
  const env = readersEnvironment(await podmanFiles(scope));
  removeContainers(scope, env);
  await runOk('podman', ['import', await boxArchive(scope), 'docker.io/library/busybox'], { env });
  const look = countsOn(counterOf('podman', env), 'web');
  await follow(scope, 'docs/guides/podman.md', env, look);
});
