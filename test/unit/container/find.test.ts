import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findContainer } from '../../../lib/container/find.js';
import { crunStateRoot, runcStateRoot } from '../../../lib/container/state/read.js';
import type { Host } from '../../../lib/linux/host.js';
import { init, makeMachine } from '../../helpers/container-machine.js';
import { rejection } from '../../helpers/rejection.js';

describe('the state root', () => {
  test('is /run/runc for root whatever the environment says', async () => {
    const { host } = await makeMachine();
    const at = (change: Partial<Host>) => runcStateRoot({ ...host, systemRoot: '', ...change });
    const env = { XDG_RUNTIME_DIR: '/run/user/7' };
    expect(await at({})).toBe('/run/runc');
    expect(await at({ env })).toBe('/run/runc');
    expect(await at({ env: { XDG_RUNTIME_DIR: '' }, euid: 7 })).toBe('/run/runc');
    expect(await at({ env, euid: 7 })).toBe('/run/user/7/runc');
  });

  test('follows the environment for root in a user namespace', async () => {
    const { host: machine, write } = await makeMachine();
    const host = { ...machine, systemRoot: '' };
    await write('proc/self/uid_map', '0 100000 65536\n');
    const env = { XDG_RUNTIME_DIR: '/run/user/7' };
    expect(await runcStateRoot({ ...host, env })).toBe('/run/user/7/runc');
    expect(await runcStateRoot({ ...host, env: { ...env, USER: 'root' } })).toBe('/run/runc');
  });

  test('of crun follows the environment for root, too', async () => {
    const { host: machine } = await makeMachine();
    const host = { ...machine, systemRoot: '' };
    expect(crunStateRoot(host)).toBe('/run/crun');
    expect(crunStateRoot({ ...host, env: { XDG_RUNTIME_DIR: '/run/user/0' } })).toBe(
      '/run/user/0/crun',
    );
  });
});

describe('findContainer', () => {
  test('reads the state of runc 1.1', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    const container = await findContainer('web', machine, machine.host);
    expect(container).toMatchObject({
      id: 'web',
      runtime: 'runc',
      status: 'stopped',
      stateDir: join(machine.root, 'web'),
      ociVersion: '1.0.2-dev',
      initPid: init.runc.pid,
      initStartTime: init.runc.startTime,
      rootfs: '/var/lib/bundles/web/rootfs',
      bundle: '/var/lib/bundles/web',
      externalDescriptors: ['/dev/null', 'pipe:[48213]', 'pipe:[48213]'],
      descriptorsJson: '["/dev/null","pipe:[48213]","pipe:[48213]"]',
      intelRdtPath: undefined,
    });
    expect(container.annotations).toEqual(
      new Map([
        ['org.example.a', 'b'],
        ['k', 'v=w'],
      ]),
    );
    expect(container.namespaces).toContainEqual({ type: 'pid', path: '' });
    expect(container.cgroupPaths.get('freezer')).toBe(join(machine.host.cgroupRoot, 'freezer/web'));
    expect(container.cgroupPaths.size).toBe(10);
    expect(container.maskPaths).toContain('/proc/kcore');
    expect(container.devices).toContain('/dev/fuse');
    expect(container.poststopHooks).toEqual([
      { path: '/bin/sh', args: expect.any(Array), env: ['A=b'], timeoutMs: 5000 },
      { path: '/bin/false', args: [], env: undefined, timeoutMs: undefined },
    ]);
  });

  test('reads the same from the state of runc 1.5, which leaves zeros out', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    const old = await findContainer('web', machine, machine.host);
    await machine.container('runc-1.5.1-v1');
    const { cgroupPaths, namespaces, ociVersion, ...rest } = await findContainer(
      'web',
      machine,
      machine.host,
    );
    expect(old).toMatchObject(rest);
    expect(ociVersion).toBe('1.3.0');
    expect(cgroupPaths.has('')).toBe(false);
    expect(namespaces).toContainEqual({ type: 'cgroup', path: '' });
  });

  test('reads the state of runc on the unified hierarchy', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('runc-1.5.1-v2');
    const container = await findContainer('web', machine, machine.host);
    expect([...container.cgroupPaths]).toEqual([['', join(machine.host.cgroupRoot, 'web')]]);
    expect(container.namespaces).toContainEqual({ type: 'net', path: '/run/netns/web' });
    expect(container.externalDescriptors).toEqual([]);
    // A nil list, as Go writes it.
    expect(container.descriptorsJson).toBe('null');
    expect(container.poststopHooks).toEqual([]);
    expect(container.intelRdtPath).toBe('/sys/fs/resctrl/web');
  });

  test.each(['runc-1.1.5-systemd', 'runc-1.5.1-systemd'])('reads %s', async (fixture) => {
    const machine = await makeMachine({ unified: fixture.includes('1.5') });
    await machine.container(fixture);
    const { cgroupPaths } = await findContainer('web', machine, machine.host);
    for (const path of cgroupPaths.values()) {
      expect(path).toMatch(/\/cgroup\/.*system\.slice\/runc-web\.scope$/);
    }
  });

  test('reads the state of crun', async () => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1');
    const container = await findContainer('web', machine, machine.host);
    expect(container).toMatchObject({
      runtime: 'crun',
      initPid: init.crun.pid,
      initStartTime: init.crun.startTime,
      bundle: '/var/lib/bundles/web',
      rootfs: '/var/lib/bundles/web/rootfs',
      configuredRootfs: 'rootfs',
      descriptorsJson: '["/dev/null","/var/lib/bundles/web.out","/var/lib/bundles/web.out"]',
    });
    expect(container.mounts).toContainEqual(
      expect.objectContaining({ type: 'bind', destination: '/mnt/host' }),
    );
    expect([...container.cgroupPaths]).toEqual(
      ['cpuset', 'cpu,cpuacct', 'devices', 'freezer', 'systemd', ''].map((controller) => [
        controller,
        join(machine.host.cgroupRoot, controller === '' ? 'unified' : controller, 'web'),
      ]),
    );
  });

  test('reads the state of crun under systemd', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('crun-1.29-systemd');
    const container = await findContainer('web', machine, machine.host);
    expect(container.rootfs).toBe('/srv/rootfs/web');
    expect([...container.cgroupPaths]).toEqual([
      ['', join(machine.host.cgroupRoot, 'system.slice/crun-web.scope')],
    ]);
  });

  test('says that a container does not exist', async () => {
    const machine = await makeMachine();
    await machine.mkdir('run/empty');
    for (const [id, root] of [
      ['nope', machine.root],
      ['empty', machine.root],
      ['web', join(machine.root, 'nowhere')],
    ] as const) {
      const error = await rejection(findContainer(id, { root }, machine.host));
      expect(error).toMatchObject({ name: 'CriuError', code: 'ERR_CONTAINER_NOT_FOUND' });
      expect(error.message).toBe(`container does not exist: "${id}" in ${root}`);
    }
  });

  test('names both places when it looked in both', async () => {
    const { host, directory } = await makeMachine();
    const env = { XDG_RUNTIME_DIR: '/nowhere' };
    const error = await rejection(findContainer('libcriu-none', {}, { ...host, env }));
    expect(error.message).toBe(
      `container does not exist: "libcriu-none" in ${directory}/run/runc, /nowhere/crun or a ` +
        'directory of docker or containerd',
    );
  });

  test('never follows an id out of the state root', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    await symlink(join(machine.root, 'web'), join(machine.root, 'link'));
    expect(await rejection(findContainer('link', machine, machine.host))).toMatchObject({
      code: 'ERR_CONTAINER_CORRUPT',
    });
    expect(await rejection(findContainer('../run/web', machine, machine.host))).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });
});

describe('findContainer refuses a state', () => {
  const put = (from: string, to: string) => (text: string) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  };
  test.each([
    ['truncated', (text: string) => text.slice(0, 2000), 'is not whole JSON'],
    ['empty', () => '', 'is not whole JSON'],
    ['a list', () => '[]', 'Expected an object in '],
    ['another id', put('"id":"web"', '"id":"other"'), 'Expected the id "web" in id of '],
    ['no id', put('"id":"web",', ''), 'Expected a string in id of '],
    ['a pid of text', put('8148', '"8148"'), 'Expected an integer in init_process_pid of '],
    ['a broken pid', put('8148', '81.48'), 'Expected an integer in init_process_pid of '],
    ['no start', put('139846', 'null'), 'Expected an integer in init_process_start of '],
    ['no config', put('"config"', '"gone"'), 'in config.rootfs of '],
    ['a number as rootfs', put('"/var/lib/bundles/web/rootfs"', '5'), 'in config.rootfs of '],
    ['a relative rootfs', put('"/var/lib/bundles/web/rootfs"', '"r"'), 'an absolute path'],
    ['mounts of text', put('"mounts":[', '"mounts":"","m":['), 'Expected a list in config.mounts'],
    ['a mount of text', put('"mounts":[', '"mounts":["",'), 'an object in config.mounts[0]'],
    ['a NUL', put('/mnt/ho<st>', '/mnt\\u0000'), 'a string without NUL in config.mounts[7]'],
    ['an odd namespace', put('NEWIPC', 'NEWODD'), 'Expected a namespace type in'],
    ['labels of numbers', put('"labels":[', '"labels":[1,'), 'a string in config.labels[0] of '],
    ['a cgroup outside', put('freezer/web', 'freezer/../../etc'), 'a plain absolute path'],
    ['a hook without path', put('"path":"/bin/false"', '"p":1'), 'config.Hooks.poststop[1].path'],
    ['a text as timeout', put('5000000000', '"5s"'), 'config.Hooks.poststop[0].timeout'],
  ])('%s', async (_name, change, words) => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid', change);
    const error = await rejection(findContainer('web', machine, machine.host));
    expect(error).toMatchObject({ name: 'CriuError', code: 'ERR_CONTAINER_CORRUPT' });
    expect(error.message).toContain(words);
    expect(error.message).toContain(join(machine.root, 'web/state.json'));
    expect(error.message).not.toContain('\n');
  });

  test.each([
    ['no pid', put('"pid": 14090,', ''), 'Expected an integer in pid of '],
    ['no bundle', put('"bundle"', '"b"'), 'Expected a string in bundle of '],
    ['broken descriptors', put('\\"]"', '"'), 'is not whole JSON'],
    ['a cgroup outside', put('"/web"', '"/../web"'), 'a plain path of a cgroup'],
  ])('of crun: %s', async (_name, change, words) => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1', change);
    const error = await rejection(findContainer('web', machine, machine.host));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_CORRUPT' });
    expect(error.message).toContain(words);
    expect(error.message).toContain(join(machine.root, 'web/status'));
  });

  test('of crun: no config.json', async () => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1');
    await rm(join(machine.root, 'web/config.json'));
    expect(await rejection(findContainer('web', machine, machine.host))).toMatchObject({
      code: 'ERR_CONTAINER_CORRUPT',
      message: expect.stringContaining('web/config.json does not exist'),
    });
  });

  test.each(['a link', 'a directory', 'a pipe'])('%s in its place', async (kind) => {
    const machine = await makeMachine();
    const file = join(await machine.mkdir('run/web'), 'state.json');
    if (kind === 'a link') await symlink('/etc/hostname', file);
    if (kind === 'a directory') await mkdir(file);
    // Opened to be read, a pipe would wait for a writer for ever.
    if (kind === 'a pipe') execFileSync('mkfifo', [file]);
    const error = await rejection(findContainer('web', machine, machine.host));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_CORRUPT' });
    expect(error.message).toBe(`${file} is not a regular file`);
  });

  test('is not touched by looking at it', async () => {
    const machine = await makeMachine();
    await machine.mkdir('run/web');
    await writeFile(join(machine.root, 'web/state.json'), '{');
    await rejection(findContainer('web', machine, machine.host));
    expect(await readdir(join(machine.root, 'web'))).toEqual(['state.json']);
  });
});
