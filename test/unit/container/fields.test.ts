import { statSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { containerFields } from '../../../lib/container/fields.js';
import { findContainer } from '../../../lib/container/find.js';
import { goJson } from '../../../lib/container/go-json.js';
import { resolveInRoot } from '../../../lib/linux/secure-join.js';
import { type Machine, makeMachine } from '../../helpers/container-machine.js';
import { rejection } from '../../helpers/rejection.js';

async function fieldsOf(machine: Machine, preDump = false) {
  const container = await findContainer('web', machine, machine.host);
  return containerFields(container, { preDump }, machine.host);
}

const same = (...paths: string[]) => paths.map((path) => [path, path]);

/** A name in the container's init's root, where masked paths are looked up. */
const masked = (machine: Machine, path: string) => machine.write(`proc/8148/root${path}`, '');

/** The file that says which container the images are of. */
const savedAs = (root: string): readonly [string, string] => [
  'libcriu-container.json',
  `${JSON.stringify({ id: 'web', stateDir: join(root, 'web') })}\n`,
];

describe('what runc adds on cgroup v1', () => {
  test('is complete and in its order', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    await masked(machine, '/proc/keys');
    await masked(machine, '/proc/timer_list');
    await machine.mkdir('proc/8148/root/proc/acpi');
    const freezer = join(machine.host.cgroupRoot, 'freezer/web');
    expect(await fieldsOf(machine)).toEqual({
      fields: {
        root: '/var/lib/bundles/web/rootfs',
        manage_cgroups: true,
        orphan_pts_master: true,
        empty_ns: 0x40000000,
        config_file: '/etc/criu/runc.conf',
        freeze_cgroup: freezer,
        ext_mnt: [
          // Each hierarchy once, at its first mount; those that we are not in are not bound.
          ...same(
            '/sys/fs/cgroup/cpuset',
            '/sys/fs/cgroup/cpu,cpuacct',
            '/sys/fs/cgroup/devices',
            '/sys/fs/cgroup/freezer',
            '/sys/fs/cgroup/systemd',
            '/mnt/ho<st>',
          ),
          ['/proc/keys', '/dev/null'],
          ['/proc/timer_list', '/dev/null'],
          ...same('/dev/null', '/dev/random', '/dev/full', '/dev/tty', '/dev/zero'),
          ...same('/dev/urandom', '/dev/fuse'),
        ],
      },
      postDumpFile: join(machine.root, 'web/checkpoint'),
      imageFiles: [
        ['descriptors.json', '["/dev/null","pipe:[48213]","pipe:[48213]"]'],
        savedAs(machine.root),
      ],
    });
  });

  test('leaves mounts and files out of a pre-dump', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    const { fields, ...rest } = await fieldsOf(machine, true);
    expect(rest).toEqual({});
    expect(Object.keys(fields)).toEqual([
      'root',
      'manage_cgroups',
      'orphan_pts_master',
      'empty_ns',
      'config_file',
      'freeze_cgroup',
    ]);
  });

  test('leaves cgroup mounts to CRIU in a cgroup namespace', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.5.1-v1');
    const { fields } = await fieldsOf(machine);
    expect(JSON.stringify(fields['ext_mnt'])).not.toContain('/sys/fs/cgroup');
  });

  test('has the freezer of a systemd scope', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-systemd');
    const { fields } = await fieldsOf(machine);
    expect(fields.freeze_cgroup).toBe(
      join(machine.host.cgroupRoot, 'freezer/system.slice/runc-web.scope'),
    );
  });
});

describe('what runc adds on the unified hierarchy', () => {
  /** The namespaces that the fixture joined, as files that exist. */
  const joined = (machine: Machine) => (text: string) =>
    text
      .replace('/run/netns/web', join(machine.directory, 'netns'))
      .replace('/proc/4026531836/ns/pid', join(machine.directory, 'pidns'));

  test('has external namespaces, the one cgroup and the annotated file of options', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('runc-1.5.1-v2', joined(machine));
    const net = statSync(await machine.write('netns', '')).ino;
    const pid = statSync(await machine.write('pidns', '')).ino;
    const { fields, imageFiles } = await fieldsOf(machine);
    expect(fields).toMatchObject({
      external: [`net[${net}]:extRootNetNS`, `pid[${pid}]:extRootPidNS`],
      config_file: '/etc/criu/web.conf',
      freeze_cgroup: join(machine.host.cgroupRoot, 'web'),
    });
    expect(fields['ext_mnt']).toContainEqual(['/mnt/ho<st>', '/mnt/ho<st>']);
    expect(JSON.stringify(fields['ext_mnt'])).not.toContain('/sys/fs/cgroup');
    expect(imageFiles?.[0]).toEqual(['descriptors.json', 'null']);
  });

  test('has no file of options when the annotation is empty', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('runc-1.5.1-systemd');
    const { fields } = await fieldsOf(machine);
    expect(fields).not.toHaveProperty('config_file');
  });

  test('tells of a joined namespace that is gone', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('runc-1.5.1-v2', joined(machine));
    const error = await rejection(fieldsOf(machine));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_STATE' });
    expect(error.message).toMatch(/^The net namespace that container "web" joined cannot be read/);
  });
});

describe('what crun adds', () => {
  test('on cgroup v1', async () => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1');
    const { fields, imageFiles, postDumpFile } = await fieldsOf(machine);
    expect(fields).toMatchObject({
      root: '/var/lib/bundles/web/rootfs',
      manage_cgroups: true,
      orphan_pts_master: true,
      freeze_cgroup: join(machine.host.cgroupRoot, 'freezer/web'),
    });
    expect(fields).not.toHaveProperty('empty_ns');
    expect([...(fields['ext_mnt'] as Iterable<unknown>)].slice(0, 6)).toEqual(
      same(
        '/sys/fs/cgroup/cpuset',
        '/sys/fs/cgroup/cpu,cpuacct',
        '/sys/fs/cgroup/devices',
        '/sys/fs/cgroup/freezer',
        '/sys/fs/cgroup/systemd',
        '/mnt/host',
      ),
    );
    expect(postDumpFile).toBeUndefined();
    expect(imageFiles).toEqual([
      ['descriptors.json', '["/dev/null","/var/lib/bundles/web.out","/var/lib/bundles/web.out"]'],
      savedAs(machine.root),
    ]);
  });

  test('for masked paths: the files, and directories when one empty one is shared', async () => {
    const machine = await makeMachine();
    const file = await machine.write('host/keys', '');
    const directory = await machine.mkdir('host/acpi');
    const gone = join(machine.directory, 'host/gone');
    await machine.container('crun-1.8.1-v1');
    const container = await findContainer('web', machine, machine.host);
    const maskPaths = [directory, file, gone];
    const maskedOf = async () => {
      const changed = { ...container, maskPaths, mounts: [] };
      return (await containerFields(changed, { preDump: false }, machine.host)).fields['ext_mnt'];
    };
    expect(await maskedOf()).toEqual([[file, file]]);
    const empty = await machine.mkdir('run/.empty-directory');
    expect(await maskedOf()).toEqual([
      [empty, empty],
      [directory, empty],
      [file, file],
    ]);
  });

  test('for an annotated file of options', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.container('crun-1.29-systemd', (text) => text);
    const container = await findContainer('web', machine, machine.host);
    const { fields } = await containerFields(
      { ...container, namespaces: [] },
      { preDump: false },
      machine.host,
    );
    expect(fields['config_file']).toBe('/etc/criu/web.conf');
  });
});

describe('resolveInRoot', () => {
  async function root(): Promise<string> {
    const machine = await makeMachine();
    const path = await machine.mkdir('rootfs');
    await machine.mkdir('rootfs/var/run');
    const links = {
      absolute: '/var/run',
      relative: 'var/../var/run',
      above: '../../../../etc',
      chain: 'absolute/../run',
      'var/back': '/relative/x',
      loop: 'loop',
    };
    for (const [name, target] of Object.entries(links)) await symlink(target, join(path, name));
    return path;
  }

  test.each([
    ['/mnt/data', '/mnt/data'],
    ['mnt//data/', '/mnt/data'],
    ['/absolute/docker.sock', '/var/run/docker.sock'],
    ['/relative', '/var/run'],
    ['/chain/a', '/var/run/a'],
    ['/var/back', '/var/run/x'],
    ['/above/passwd', '/etc/passwd'],
    ['/../../etc/passwd', '/etc/passwd'],
    ['/absolute/../../../etc', '/etc'],
    ['/', '/'],
    ['', '/'],
  ])('%j leads to %j', async (path, resolved) => {
    expect(await resolveInRoot(await root(), path)).toBe(resolved);
  });

  test('gives up on a loop', async () => {
    await expect(resolveInRoot(await root(), '/loop')).rejects.toThrow('too many links');
  });

  test('is applied to bind mounts; a loop is sent as written', async () => {
    const rootfs = await root();
    const machine = await makeMachine({ unified: true });
    await machine.container('runc-1.5.1-systemd');
    const container = await findContainer('web', machine, machine.host);
    const mounts = ['/absolute/sock', `${rootfs}/above/passwd`, '/loop/a'].map((destination) => ({
      source: '',
      destination,
      type: 'bind',
    }));
    const { fields } = await containerFields(
      { ...container, rootfs, mounts, maskPaths: [], devices: [] },
      { preDump: false },
      machine.host,
    );
    expect(fields['ext_mnt']).toEqual(same('/var/run/sock', '/etc/passwd', '/loop/a'));
  });
});

describe('goJson', () => {
  test.each([
    [['/dev/null', 'pipe:[1]'], '["/dev/null","pipe:[1]"]'],
    [[], '[]'],
    ['<a&b>', '"\\u003ca\\u0026b\\u003e"'],
    ['\u2028"\\\n', '"\\u2028\\"\\\\\\n"'],
    [
      new Map([
        ['b', '1'],
        ['10', '2'],
        ['9', '3'],
        ['__proto__', '4'],
      ]),
      '{"10":"2","9":"3","__proto__":"4","b":"1"}',
    ],
  ])('%o', (value, text) => {
    expect(goJson(value)).toBe(text);
  });
});
