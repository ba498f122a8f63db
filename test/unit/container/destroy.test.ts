import { access, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { destroyContainer } from '../../../lib/container/destroy.js';
import { runPoststopHooks, stoppedState } from '../../../lib/container/poststop.js';
import type { Container, ContainerHook } from '../../../lib/container/state/container.js';
import { findContainer } from '../../../lib/container/state/find.js';
import { init, type Machine, makeMachine } from '../../helpers/container-machine.js';

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** A container whose init is gone and whose cgroups are empty. */
async function ended(fixture = 'runc-1.1.5-hybrid', unified = false) {
  const machine = await makeMachine({ unified });
  await machine.container(fixture);
  const container = { ...(await findContainer('web', machine, machine.host)), poststopHooks: [] };
  for (const path of container.cgroupPaths.values()) await mkdir(path, { recursive: true });
  return { machine, container };
}

const shell = (script: string, more: Partial<ContainerHook> = {}): ContainerHook => ({
  path: '/bin/sh',
  args: ['sh', '-c', script],
  env: undefined,
  timeoutMs: undefined,
  ...more,
});

describe('destroyContainer', () => {
  test.each([
    ['runc-1.1.5-hybrid', false],
    ['runc-1.1.5-systemd', false],
    ['runc-1.5.1-systemd', true],
    ['crun-1.8.1-v1', false],
    ['crun-1.29-systemd', true],
  ])('removes the cgroups and the state of %s', async (fixture, unified) => {
    const { machine, container } = await ended(fixture, unified);
    const [first = ''] = container.cgroupPaths.values();
    await mkdir(join(first, 'below/deeper'), { recursive: true });
    expect(await destroyContainer(container, machine.host)).toEqual([]);
    for (const path of container.cgroupPaths.values()) expect(await exists(path)).toBe(false);
    expect(await exists(container.stateDir)).toBe(false);
    expect(await exists(machine.root)).toBe(true);
    expect(await exists(machine.host.cgroupRoot)).toBe(true);
  });

  test('is content with cgroups that are gone', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-systemd');
    const container = await findContainer('web', machine, machine.host);
    expect(await destroyContainer(container, machine.host)).toEqual([]);
    expect(await exists(container.stateDir)).toBe(false);
  });

  test('waits for the last process of a cgroup', async () => {
    const { machine, container } = await ended();
    const path = container.cgroupPaths.get('freezer') ?? '';
    // A file in it keeps a directory as busy as a process keeps a cgroup.
    const file = await machine.write(join('cgroup/freezer/web', 'busy'), '');
    const destroyed = destroyContainer(container, machine.host);
    setTimeout(() => void rm(file), 30);
    expect(await destroyed).toEqual([]);
    expect(await exists(path)).toBe(false);
  });

  test('leaves the rest for runc delete when a cgroup stays in use', async () => {
    const { machine, container } = await ended();
    await machine.write('cgroup/freezer/web/busy', '');
    const hooked = { ...container, poststopHooks: [shell('exit 3')] };
    const [warning, ...others] = await destroyContainer(hooked, machine.host);
    expect(others).toEqual([]);
    expect(warning).toMatch(/^unable to destroy container: unable to remove container's cgroup: /);
    expect(await exists(container.stateDir)).toBe(true);
  });

  test.each([
    ['outside every cgroup mount', (machine: Machine) => machine.mkdir('precious')],
    ['that is a mount itself', (machine: Machine) => machine.mkdir('cgroup/freezer')],
    [
      'that leads outside by a link',
      async (machine: Machine) => {
        const link = join(await machine.mkdir('cgroup/devices'), 'web');
        await symlink(await machine.mkdir('precious'), link);
        return link;
      },
    ],
  ])('refuses a cgroup %s', async (_name, make) => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    const path = await make(machine);
    const found = await findContainer('web', machine, machine.host);
    const container: Container = { ...found, cgroupPaths: new Map([['devices', path]]) };
    const [warning] = await destroyContainer(container, machine.host);
    expect(warning).toContain(`${path} is not below a cgroup mount`);
    expect(await exists(path)).toBe(true);
    expect(await exists(container.stateDir)).toBe(true);
  });

  test('removes no state directory that is not in the state root', async () => {
    const { machine, container } = await ended();
    const elsewhere = await machine.mkdir('precious');
    const [warning] = await destroyContainer({ ...container, stateDir: elsewhere }, machine.host);
    expect(warning).toContain('is not in');
    expect(await exists(elsewhere)).toBe(true);
  });

  test('leaves a container alone whose init lives on', async () => {
    const { machine, container } = await ended();
    await machine.process(init.runc.pid, init.runc.startTime);
    expect(await destroyContainer(container, machine.host, 50)).toEqual([
      'unable to destroy container: container still running',
    ]);
    expect(await exists(container.stateDir)).toBe(true);
    expect(await exists(container.cgroupPaths.get('freezer') ?? '')).toBe(true);
  });

  test('takes a zombie for gone', async () => {
    const { machine, container } = await ended();
    await machine.process(init.runc.pid, init.runc.startTime, 'Z');
    expect(await destroyContainer(container, machine.host)).toEqual([]);
  });

  test('thaws what was paused', async () => {
    const { machine, container } = await ended();
    const file = await machine.write('cgroup/freezer/web/freezer.state', 'FROZEN\n');
    await machine.write('cgroup/freezer/web/freezer.self_freezing', '1\n');
    await destroyContainer(container, machine.host);
    // Only a real cgroup goes with its files in it.
    expect(await readFile(file, 'utf8')).toMatch(/^THAWED/);
  });

  test('tells of a hook that failed and has removed the rest', async () => {
    const { machine, container } = await ended();
    const hooked = { ...container, poststopHooks: [shell('echo why >&2; exit 3')] };
    expect(await destroyContainer(hooked, machine.host)).toEqual([
      'error running poststop hook #0: exit status 3, stdout: , stderr: why',
    ]);
    expect(await exists(container.stateDir)).toBe(false);
  });
});

describe('the OCI state for poststop hooks', () => {
  test('of runc', async () => {
    const { container } = await ended();
    expect(stoppedState(container)).toBe(
      '{"ociVersion":"1.0.2-dev","id":"web","status":"stopped","bundle":"/var/lib/bundles/web",' +
        '"annotations":{"k":"v=w","org.example.a":"b"}}',
    );
    expect(stoppedState({ ...container, annotations: new Map() })).not.toContain('annotations');
  });

  test('of crun', async () => {
    const { container } = await ended('crun-1.8.1-v1');
    expect(stoppedState(container)).toBe(
      '{"ociVersion":"1.0","id":"web","pid":0,"root":"rootfs","bundle":"/var/lib/bundles/web",' +
        '"status":"stopped","annotations":{"org.example.a":"b"}}',
    );
  });
});

describe('runPoststopHooks', () => {
  async function run(hooks: ContainerHook[], change: Partial<Container> = {}) {
    const { container } = await ended();
    return runPoststopHooks({ ...container, ...change, poststopHooks: hooks });
  }

  test('gives the state on stdin, argv and the environment', async () => {
    const machine = await makeMachine();
    const out = join(machine.directory, 'out');
    const script = `{ cat; echo; echo "$0 $A $B $HOME"; } > ${out}`;
    const hook: ContainerHook = {
      ...shell(script, { env: ['A=1', 'B=x=y'] }),
      args: ['name', '-c', script],
    };
    expect(await run([hook])).toEqual([]);
    const [state, line] = (await readFile(out, 'utf8')).split('\n');
    expect(JSON.parse(state ?? '')).toMatchObject({ id: 'web', status: 'stopped' });
    expect(line).toBe('name 1 x=y ');
  });

  test('inherits the environment when none is given', async () => {
    const machine = await makeMachine();
    const out = join(machine.directory, 'out');
    expect(await run([shell(`echo "$PATH" > ${out}`)])).toEqual([]);
    expect((await readFile(out, 'utf8')).trim()).toBe(process.env['PATH']);
  });

  test('kills a hook that runs too long', async () => {
    expect(await run([shell('exec sleep 30', { timeoutMs: 50 })])).toEqual([
      'error running poststop hook #0: hook ran past specified timeout of 0.1s',
    ]);
  });

  test('is not held up by what a hook leaves running', async () => {
    const start = performance.now();
    expect(await run([shell('sleep 8 & exit 0'), shell('sleep 8 & exit 1')])).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(6000);
  });

  test('tells how a hook was ended, or that there is none', async () => {
    expect(await run([shell('kill -9 $$')])).toEqual([
      'error running poststop hook #0: signal: SIGKILL, stdout: , stderr: ',
    ]);
    expect(await run([{ ...shell(''), path: '/nowhere/hook' }])).toEqual([
      expect.stringContaining('error running poststop hook #0: spawn /nowhere/hook ENOENT'),
    ]);
  });

  test('stops at the first failure for runc, goes on for crun', async () => {
    const hooks = [shell('exit 1'), shell('exit 2')];
    expect(await run(hooks)).toHaveLength(1);
    expect(await run(hooks, { runtime: 'crun', bundle: '/' })).toHaveLength(2);
  });

  test('runs crun hooks in the bundle', async () => {
    const machine = await makeMachine();
    const change = { runtime: 'crun', bundle: machine.directory } as const;
    expect(await run([shell('pwd > here')], change)).toEqual([]);
    expect(await readFile(join(machine.directory, 'here'), 'utf8')).toBe(`${machine.directory}\n`);
  });

  test('does not mind a hook that reads nothing', async () => {
    const long = new Map([['a', 'x'.repeat(1 << 20)]]);
    expect(await run([shell('exec true')], { annotations: long })).toEqual([]);
  });
});
