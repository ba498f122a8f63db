import { chownSync, cpSync, symlinkSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { warnOfEngine } from '../../../../lib/container/engines/after-kill.js';
import { findContainer } from '../../../../lib/container/find.js';
import { listOn } from '../../../../lib/container/list-on.js';
import { makeMachine } from '../../../helpers/container-machine.js';
import { requireNeeds } from '../../../helpers/needs.js';
import { rejection } from '../../../helpers/rejection.js';

beforeAll(() => requireNeeds('root'));

const id = (digit: string): string => digit.repeat(64);
const fixture = new URL('../../../fixtures/state/runc-1.1.5-hybrid/state.json', import.meta.url);

interface StateChange {
  bundle?: string;
  labels?: Readonly<Record<string, string>>;
  /** The directory from which docker mounts files. */
  configuration?: string;
}

/** The host of a machine on which engines have left their files. */
class Engines {
  readonly #machine;

  constructor(machine: Awaited<ReturnType<typeof makeMachine>>) {
    this.#machine = machine;
  }

  get host() {
    return this.#machine.host;
  }

  path(path: string): string {
    return join(this.#machine.directory, path);
  }

  async write(path: string, content: unknown): Promise<string> {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    return await this.#machine.write(path, text);
  }

  /** Puts a state of runc's into a state root. */
  async state(
    stateRoot: string,
    name: string,
    { bundle = '/bundle', labels = {}, configuration }: StateChange,
  ): Promise<void> {
    const state = JSON.parse(await readFile(fixture, 'utf8')) as {
      id: string;
      config: { labels: string[]; mounts: object[] };
    };
    state.id = name;
    const all = Object.entries({ ...labels, bundle: this.path(bundle) });
    state.config.labels = all.map(([key, value]) => `${key}=${value}`);
    if (configuration !== undefined) {
      const source = join(this.path(configuration), 'hostname');
      state.config.mounts.push({ source, destination: '/etc/hostname', device: 'bind' });
    }
    await this.write(join(stateRoot, name, 'state.json'), state);
  }

  async docker(
    name: string,
    digit: string,
    { execRoot = 'run/docker', dataRoot = 'var/lib/docker', host = {} } = {},
  ): Promise<void> {
    const configuration = join(dataRoot, 'containers', id(digit));
    const bundle = `run/containerd/io.containerd.runtime.v2.task/moby/${id(digit)}`;
    const stateRoot = join(execRoot, 'runtime-runc/moby');
    await this.state(stateRoot, id(digit), { bundle, configuration });
    await this.write(join(configuration, 'config.v2.json'), {
      Name: `/${name}`,
      Config: { Image: 'box:1' },
    });
    await this.write(join(configuration, 'hostconfig.json'), host);
  }

  async podman(name: string, digit: string, { database = '', labels = {} } = {}): Promise<void> {
    const storage = 'srv/storage';
    const bundle = join(storage, 'overlay-containers', id(digit), 'userdata');
    await this.state('run/runc', id(digit), {
      bundle,
      labels: { 'io.container.manager': 'libpod', ...labels },
    });
    const metadata = JSON.stringify({ 'image-name': 'localhost/box:1' });
    const entry = { id: id(digit), names: [name], metadata };
    await this.write(join(storage, 'overlay-containers/containers.json'), [entry]);
    await this.write(join(storage, 'libpod/bolt_state.db'), database);
  }

  async daemon(pid: number, program: string, words: readonly string[]): Promise<void> {
    await this.write(`proc/${pid}/comm`, `${program}\n`);
    await this.write(`proc/${pid}/cmdline`, `${[program, ...words].join('\0')}\0`);
  }

  async find(name: string, engine?: 'docker' | 'podman'): Promise<string> {
    const found = await findContainer(name, { engine }, this.host);
    return found.id;
  }
}

async function engines(): Promise<Engines> {
  const machine = await makeMachine();
  await machine.write('proc/stat', 'cpu 0\nbtime 1700000000\n');
  return new Engines(machine);
}

describe('a container is found by what its engine calls it', () => {
  test('docker, by name, id and the beginning of that', async () => {
    const on = await engines();
    await on.docker('web', 'a');
    await on.docker('db', 'b');
    for (const name of ['web', 'docker:web', id('a'), 'aaaa']) {
      expect(await on.find(name)).toBe(id('a'));
    }
    expect(await on.find('db', 'docker')).toBe(id('b'));
  });

  test.each<[string, (on: Engines) => Promise<unknown>]>([
    ['daemon.json', (on) => on.write('etc/docker/daemon.json', { 'exec-root': '/srv/exec' })],
    ['the command line of dockerd', (on) => on.daemon(70, 'dockerd', ['--exec-root', '/srv/exec'])],
    [
      'a file that the command line names',
      async (on) => {
        await on.write('srv/docker.json', { 'exec-root': '/srv/exec' });
        await on.daemon(70, 'dockerd', ['--config-file=/srv/docker.json']);
      },
    ],
  ])('docker with directories of its own, by %s', async (_by, configure) => {
    const on = await engines();
    await on.docker('web', 'a', { execRoot: 'srv/exec', dataRoot: 'srv/data' });
    expect(await rejection(on.find('web'))).toMatchObject({ code: 'ERR_CONTAINER_NOT_FOUND' });
    await configure(on);
    expect(await on.find('web')).toBe(id('a'));
  });

  test('podman, wherever its storage is', async () => {
    const on = await engines();
    await on.podman('web', 'c');
    for (const name of ['web', 'podman:web', id('c'), 'cc']) {
      expect(await on.find(name)).toBe(id('c'));
    }
  });

  test('containerd, in each of its namespaces', async () => {
    const on = await engines();
    const bundle = 'run/containerd/io.containerd.runtime.v2.task/blue/web';
    await on.state('run/containerd/runc/blue', 'web', { bundle });
    expect(await on.find('web')).toBe('web');
    expect(await on.find('containerd:web')).toBe('web');
  });

  test.each<[string, (on: Engines) => Promise<unknown>]>([
    ['config.toml', (on) => on.write('etc/containerd/config.toml', 'state = "/srv/state"\n')],
    ['the command line', (on) => on.daemon(71, 'containerd', ['--state=/srv/state'])],
  ])('containerd with a state and a root of its own, by %s', async (_by, configure) => {
    const on = await engines();
    const bundle = 'srv/state/io.containerd.runtime.v2.task/blue/web';
    await on.write(join(bundle, 'options.json'), { root: on.path('srv/roots') });
    await on.state('srv/roots/blue', 'web', { bundle });
    await configure(on);
    expect(await on.find('web')).toBe('web');
  });

  test('Kubernetes, by the name, that of the pod and the namespace', async () => {
    const on = await engines();
    await on.state('run/containerd/runc/k8s.io', id('d'), {
      bundle: `run/containerd/io.containerd.runtime.v2.task/k8s.io/${id('d')}`,
      labels: {
        'io.kubernetes.cri.container-name': 'web',
        'io.kubernetes.cri.sandbox-name': 'shop-1',
        'io.kubernetes.cri.sandbox-namespace': 'prod',
      },
    });
    await on.write(
      'etc/crio/crio.conf.d/a.conf',
      '[crio.runtime.runtimes.x]\nruntime_root = "/srv/x"\n',
    );
    await on.state('srv/x', id('e'), {
      labels: {
        'io.container.manager': 'cri-o',
        'io.kubernetes.container.name': 'web',
        'io.kubernetes.pod.name': 'shop-2',
        'io.kubernetes.pod.namespace': 'prod',
      },
    });
    expect(await on.find('shop-1/web')).toBe(id('d'));
    expect(await on.find('prod/shop-1/web')).toBe(id('d'));
    expect(await on.find('prod/shop-2/web')).toBe(id('e'));
    expect(await on.find('cri-o:web')).toBe(id('e'));
    expect(await rejection(on.find('web'))).toMatchObject({ code: 'ERR_CONTAINER_AMBIGUOUS' });
  });
});

describe('a name is refused', () => {
  test('that two engines have, and both are named', async () => {
    const on = await engines();
    await on.docker('web', 'a');
    await on.podman('web', 'c');
    const error = await rejection(on.find('web'));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_AMBIGUOUS' });
    expect(error.message).toContain('docker:web (aaaaaaaaaaaa), podman:web (cccccccccccc)');
    expect(await on.find('podman:web')).toBe(id('c'));
    expect(await on.find('web', 'docker')).toBe(id('a'));
  });

  test('that a container of runc and one of an engine have', async () => {
    const on = await engines();
    await on.docker('web', 'a');
    await on.state('run/runc', 'web', {});
    expect(await rejection(on.find('web'))).toMatchObject({ code: 'ERR_CONTAINER_AMBIGUOUS' });
    expect(await on.find('runc:web')).toBe('web');
  });

  test('that begins more than one id, and an id is never taken for the beginning of another', async () => {
    const on = await engines();
    await on.docker('web', 'a');
    await on.podman('db', 'c');
    await on.state('run/runc', 'a', {});
    expect(await on.find('a')).toBe('a');
    await on.docker('other', 'c', { dataRoot: 'srv/data' });
    expect(await rejection(on.find('c'))).toMatchObject({ code: 'ERR_CONTAINER_AMBIGUOUS' });
  });

  test('that is nearly right, with what was meant', async () => {
    const on = await engines();
    await on.docker('frontend', 'a');
    const error = await rejection(on.find('fronted'));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_NOT_FOUND' });
    expect(error.message).toContain('did you mean "frontend"?');
  });

  test.each(['nobody:web', 'a/b/c/d', '../web', 'docker:', 'docker:../web', 'a b'])(
    'that nothing can have: %s',
    async (name) => {
      const on = await engines();
      expect(await rejection(on.find(name))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    },
  );

  test('of one engine with the option for another', async () => {
    const on = await engines();
    const error = await rejection(on.find('podman:web', 'docker'));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', option: 'engine' });
  });
});

describe("an engine's file", () => {
  const config = `var/lib/docker/containers/${id('a')}/config.v2.json`;

  test.each<[string, (on: Engines) => unknown, RegExp]>([
    ['of another user', (on) => chownSync(on.path(config), 1000, 1000), /owned by user 1000/],
    ['that is being written', (on) => on.write(config, '{"Name":"/we'), /is not whole JSON/],
    ['of another form', (on) => on.write(config, { Name: 5 }), /Expected a string/],
  ])('%s hides the name, which is told, and not the id', async (_what, spoil, says) => {
    const on = await engines();
    await on.docker('web', 'a');
    await spoil(on);
    const error = await rejection(on.find('web'));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_NOT_FOUND' });
    expect(error.message).toMatch(says);
    expect(await on.find(id('a'))).toBe(id('a'));
    const { containers, warnings } = await listOn(on.host);
    expect(containers).toMatchObject([{ engine: 'docker', name: id('a') }]);
    expect(warnings.join()).toMatch(says);
  });

  test('behind a symbolic link to its directory is found once', async () => {
    const on = await engines();
    await on.docker('web', 'a');
    await mkdir(on.path('var/run'), { recursive: true });
    symlinkSync(on.path('run/docker'), on.path('var/run/docker'));
    await on.write('etc/docker/daemon.json', { 'exec-root': '/var/run/docker' });
    expect(await on.find('web')).toBe(id('a'));
  });

  test('of a daemon that another user has started is not believed', async () => {
    const on = await engines();
    await on.docker('web', 'a', { execRoot: 'srv/exec' });
    await on.daemon(70, 'dockerd', ['--exec-root', '/srv/exec']);
    chownSync(on.path('proc/70'), 1000, 1000);
    expect(await rejection(on.find('web'))).toMatchObject({ code: 'ERR_CONTAINER_NOT_FOUND' });
  });
});

describe('what an engine does to a container that is killed is told', () => {
  test.each([
    [{ RestartPolicy: { Name: 'always' } }, /docker starts container "web" anew/],
    [{ RestartPolicy: { Name: 'unless-stopped' } }, /anew/],
    [{ RestartPolicy: { Name: 'on-failure' } }, /anew/],
    [{ AutoRemove: true, RestartPolicy: { Name: 'no' } }, /docker removes container "web"/],
    [{ RestartPolicy: { Name: 'no' } }, undefined],
    [{}, undefined],
  ])('of docker with %j', async (host, says) => {
    const on = await engines();
    await on.docker('web', 'a', { host });
    const warnings = await warnOfEngine(await findContainer('web', {}, on.host));
    expect(warnings).toEqual(says === undefined ? [] : [expect.stringMatching(says)]);
  });

  const configured = (digit: string, policy: string): string =>
    `{"spec":{},"id":"${id(digit)}","name":"web","restart_policy":"${policy}"}\0`;
  const before = `\0${configured('b', 'no')}`;
  const after = configured('d', 'no');
  const starts = /podman starts container "web" anew/;
  test.each([
    [{ database: before + configured('c', 'always') + after }, starts],
    // Pages of a database are in no order.
    [{ database: configured('b', 'always') + configured('c', 'no') + after }, undefined],
    [{ database: `"id":"${id('c')}","name":"web"\0${configured('b', 'always')}` }, undefined],
    [{ labels: { 'io.podman.annotations.autoremove': 'TRUE' } }, /podman removes container "web"/],
    [{}, undefined],
  ])('of podman with %j', async (podman, says) => {
    const on = await engines();
    await on.podman('web', 'c', podman);
    const warnings = await warnOfEngine(await findContainer('web', {}, on.host));
    expect(warnings).toEqual(says === undefined ? [] : [expect.stringMatching(says)]);
  });
});

test.each(['libpod/db.sql', 'db.sql'])('the policy of podman is read from %s', async (file) => {
  const on = await engines();
  await on.podman('n10', 'a');
  const saved = new URL('../../../fixtures/podman/db.sql', import.meta.url).pathname;
  const warnings = async (name: string): Promise<string[]> =>
    await warnOfEngine(await findContainer(name, {}, on.host));
  cpSync(saved, on.path(join('srv/storage', file)));
  expect(await warnings('n10')).toEqual([]);
  cpSync(`${saved}-wal`, on.path(join('srv/storage', `${file}-wal`)));
  expect(await warnings('n10')).toEqual([expect.stringContaining('podman starts')]);
});

test('listContainers tells of all of them, by engine and name', async () => {
  const on = await engines();
  await on.podman('db', 'c');
  await on.docker('web', 'a');
  await on.state('run/runc', 'plain', {});
  await on.write('run/runc/broken/state.json', '{');
  await mkdir(on.path('run/runc/no-container'), { recursive: true });
  const { containers, warnings } = await listOn(on.host);
  expect(containers.map(({ engine, name, image }) => [engine, name, image])).toEqual([
    ['docker', 'web', 'box:1'],
    ['podman', 'db', 'localhost/box:1'],
    ['runc', 'plain', undefined],
  ]);
  expect(warnings).toEqual([expect.stringMatching(/broken.*is not whole JSON/)]);
});
