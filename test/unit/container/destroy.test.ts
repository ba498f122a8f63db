import { access, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ContainerCgroups } from '../../../lib/container/cgroups.js';
import { destroyContainer } from '../../../lib/container/destroy.js';
import { findContainer } from '../../../lib/container/find.js';
import type { Container } from '../../../lib/container/state/container.js';
import {
  init,
  type Machine,
  makeEndedContainer,
  makeMachine,
  shellHook,
} from '../../helpers/container-machine.js';

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function destroyed(
  container: Container,
  { host }: Machine,
  patienceMs?: number,
): Promise<readonly string[]> {
  const cgroups = await ContainerCgroups.open(container, { freezes: true, ends: true }, host);
  try {
    return await destroyContainer(container, cgroups, host, patienceMs);
  } finally {
    cgroups.close();
  }
}

describe('destroyContainer', () => {
  test.each([
    ['runc-1.1.5-hybrid', false],
    ['runc-1.1.5-systemd', false],
    ['runc-1.5.1-systemd', true],
    ['crun-1.8.1-v1', false],
    ['crun-1.29-systemd', true],
  ])('removes the cgroups and the state of %s', async (fixture, unified) => {
    const { machine, container } = await makeEndedContainer(fixture, unified);
    const [first = ''] = container.cgroupPaths.values();
    await mkdir(join(first, 'below/deeper'), { recursive: true });
    expect(await destroyed(container, machine)).toEqual([]);
    for (const path of container.cgroupPaths.values()) expect(await exists(path)).toBe(false);
    expect(await exists(container.stateDir)).toBe(false);
    expect(await exists(machine.root)).toBe(true);
    expect(await exists(machine.host.cgroupRoot)).toBe(true);
  });

  test('is content with cgroups that are gone', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-systemd');
    const container = await findContainer('web', machine, machine.host);
    expect(await destroyed(container, machine)).toEqual([]);
    expect(await exists(container.stateDir)).toBe(false);
  });

  test('waits for the last process of a cgroup', async () => {
    const { machine, container } = await makeEndedContainer();
    const path = container.cgroupPaths.get('freezer') ?? '';
    // A file in it keeps a directory as busy as a process keeps a cgroup.
    const file = await machine.write(join('cgroup/freezer/web', 'busy'), '');
    const ending = destroyed(container, machine);
    setTimeout(() => void rm(file), 30);
    expect(await ending).toEqual([]);
    expect(await exists(path)).toBe(false);
  });

  test('leaves the rest for runc delete when a cgroup stays in use', async () => {
    const { machine, container } = await makeEndedContainer();
    await machine.write('cgroup/freezer/web/busy', '');
    const hooked = { ...container, poststopHooks: [shellHook('exit 3')] };
    const [warning, ...others] = await destroyed(hooked, machine);
    expect(others).toEqual([]);
    expect(warning).toMatch(/^unable to destroy container: unable to remove container's cgroup: /);
    expect(await exists(container.stateDir)).toBe(true);
  });

  test.each([
    [
      'outside every cgroup mount',
      'it is not a directory of cgroups',
      (machine: Machine) => machine.mkdir('precious'),
    ],
    [
      'that is a mount itself',
      'it is the root of its hierarchy',
      (machine: Machine) => machine.mkdir('cgroup/freezer'),
    ],
    [
      'that leads outside by a link',
      'it is not a directory, or a link to one',
      async (machine: Machine) => {
        const link = join(await machine.mkdir('cgroup/devices'), 'web');
        await symlink(await machine.mkdir('precious'), link);
        return link;
      },
    ],
  ])('refuses a cgroup %s', async (_name, why, make) => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    const path = await make(machine);
    const found = await findContainer('web', machine, machine.host);
    const container: Container = { ...found, cgroupPaths: new Map([['cpuset', path]]) };
    const [warning] = await destroyed(container, machine);
    expect(warning).toContain(`The cgroup ${path} cannot be used: ${why}`);
    expect(await exists(path)).toBe(true);
    expect(await exists(container.stateDir)).toBe(true);
  });

  test('removes no state directory that is not in the state root', async () => {
    const { machine, container } = await makeEndedContainer();
    const elsewhere = await machine.mkdir('precious');
    const [warning] = await destroyed({ ...container, stateDir: elsewhere }, machine);
    expect(warning).toContain('is not in');
    expect(await exists(elsewhere)).toBe(true);
  });

  test('leaves a container alone whose init lives on', async () => {
    const { machine, container } = await makeEndedContainer();
    await machine.process(init.runc.pid, init.runc.startTime);
    expect(await destroyed(container, machine, 50)).toEqual([
      'unable to destroy container: container still running',
    ]);
    expect(await exists(container.stateDir)).toBe(true);
    expect(await exists(container.cgroupPaths.get('freezer') ?? '')).toBe(true);
  });

  test('takes a zombie for gone', async () => {
    const { machine, container } = await makeEndedContainer();
    await machine.process(init.runc.pid, init.runc.startTime, 'Z');
    expect(await destroyed(container, machine)).toEqual([]);
  });

  test('thaws what was paused', async () => {
    const { machine, container } = await makeEndedContainer();
    const file = await machine.write('cgroup/freezer/web/freezer.state', 'FROZEN\n');
    await machine.write('cgroup/freezer/web/freezer.self_freezing', '1\n');
    await destroyed(container, machine);
    // Only a real cgroup goes with its files in it.
    expect(await readFile(file, 'utf8')).toMatch(/^THAWED/);
  });

  test('tells of a hook that failed and has removed the rest', async () => {
    const { machine, container } = await makeEndedContainer();
    const hooked = { ...container, poststopHooks: [shellHook('echo why >&2; exit 3')] };
    expect(await destroyed(hooked, machine)).toEqual([
      'error running poststop hook #0: exit status 3, stdout: , stderr: why',
    ]);
    expect(await exists(container.stateDir)).toBe(false);
  });
});
