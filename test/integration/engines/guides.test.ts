import { rm, writeFile } from 'node:fs/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import { startContainerd } from '../../helpers/engines/containerd.js';
import { startDocker } from '../../helpers/engines/docker.js';
import { boxArchive, boxImageArchive } from '../../helpers/engines/engine.js';
import { startOtherMachine } from '../../helpers/engines/other-machine.js';
import { podmanFiles, removeContainers } from '../../helpers/engines/podman-files.js';
import {
  type Counter,
  countsOn,
  follow,
  hideMachine,
  readersEnvironment,
} from '../../helpers/guide.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';

// Each runs dozens of commands of engines, one after the other.
vi.setConfig({ testTimeout: 300_000 });

const scope = useScope();
beforeEach(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox');
  await hideMachine(scope);
});

/** An image of the name that the guides use. */
const busybox = 'docker.io/library/busybox:latest';

/** Has an engine's command, as a reader calls it, tell what a container has written last. */
const counterOf = (command: string, env: NodeJS.ProcessEnv): Counter => ({
  count: async (name) => Number(await runOk(command, ['exec', name, 'cat', '/count'], { env })),
});

async function expectCounting(counter: Counter, name: string): Promise<void> {
  expect(await countsOn(counter, name)(), `${name} runs`).toBe(true);
}

test('the commands of docs/guides/docker.md bring a container of docker back', async () => {
  requireNeeds('docker');
  const { call, socket } = await startDocker(scope);
  await call('import', await boxArchive(scope), 'busybox');
  const env = readersEnvironment({ DOCKER_HOST: socket });
  scope.defer(() => run('docker', ['rm', '-f', 'web'], { env }));
  const look = countsOn(counterOf('docker', env), 'web');
  await follow(scope, 'docs/guides/docker.md', env, look);
});

/** Counts, and has a connection with itself. */
const connected = `nc() { sleep 999 | busybox nc "$@" >/dev/null; }
nc -l -p 99 & until busybox netstat -tln | busybox grep -q :99; do sleep 0.1; done
nc 127.0.0.1 99 & i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done`;

test('what docs/guides/docker.md says of open connections is so', async () => {
  requireNeeds('docker');
  const { call, count } = await startDocker(scope);
  await call('import', await boxArchive(scope), 'busybox');
  await call('run', '--detach', '--name', 'web', 'busybox', 'sh', '-c', connected);
  scope.defer(() => call('rm', '--force', 'web'));
  const look = countsOn({ count }, 'web');
  await until('it counts', look);
  const save = (): Promise<unknown> => checkpoint('docker:web', { inEngine: 'saved' });
  const start = (): Promise<string> => call('start', '--checkpoint', 'saved', 'web');
  const file = '/etc/criu/runc.conf';
  scope.defer(() => rm(file, { force: true }));
  await expect(save()).rejects.toThrow(/TCP/);
  await writeFile(file, 'tcp-close\n');
  await save();
  await call('wait', 'web');
  await rm(file);
  await expect(start()).rejects.toThrow(/restore failed/);
  await writeFile(file, 'tcp-close\n');
  await start();
  expect(await look()).toBe(true);
});

test('the commands of docs/guides/containerd.md bring a container of containerd back', async () => {
  requireNeeds('containerd', 'runc');
  const { call, count, env: its, remove } = await startContainerd(scope);
  const env = readersEnvironment(its);
  await call('images', 'import', await boxImageArchive(scope, busybox));
  for (const name of ['web', 'web-copy']) scope.defer(() => remove(name));
  scope.defer(() => run('runc', ['delete', '--force', 'web-by-runc']));
  await follow(scope, 'docs/guides/containerd.md', env, countsOn({ count }, 'web'));
  await expectCounting({ count }, 'web-copy');
  await expectCounting(counterOf('runc', env), 'web-by-runc');
});

test('the commands of docs/guides/podman.md bring a container of podman back', async () => {
  requireNeeds('podman', 'runc');
  const env = readersEnvironment(await podmanFiles(scope));
  removeContainers(scope, env);
  await runOk('podman', ['import', await boxArchive(scope), busybox], { env });
  const look = countsOn(counterOf('podman', env), 'web');
  await follow(scope, 'docs/guides/podman.md', env, look);
});

test('the commands of docs/guides/machine-to-machine.md move a container there and back', async () => {
  requireNeeds('podman', 'runc');
  const here = readersEnvironment(await podmanFiles(scope));
  removeContainers(scope, here);
  const other = await startOtherMachine(scope, here);
  const archive = await boxArchive(scope);
  await runOk('podman', ['import', archive, busybox], { env: here });
  await other.call(`podman import ${archive} ${busybox}`);
  scope.defer(() => other.call('runc delete --force web-by-runc'));
  const env = { ...here, PATH: `${other.bin}:${here['PATH']}` };
  const thereBy = (command: string): Counter => ({
    count: async (name) => Number(await other.call(`${command} exec ${name} cat /count`)),
  });
  const count = (name: string): Promise<number> =>
    counterOf('podman', here)
      .count(name)
      .catch(() => thereBy('podman').count(name));
  await follow(scope, 'docs/guides/machine-to-machine.md', env, countsOn({ count }, 'web'));
  await expectCounting(thereBy('podman'), 'web-copy');
  await expectCounting(thereBy('runc'), 'web-by-runc');
});
