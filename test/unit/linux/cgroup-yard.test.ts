import { chmod, lstat, mkdir, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cgroupYard } from '../../../lib/linux/cgroup-yard.js';
import { type Machine, makeMachine } from '../../helpers/container-machine.js';

async function unified(): Promise<{ machine: Machine; yard: string }> {
  const machine = await makeMachine({ unified: true });
  // Who made the directories of this machine.
  const euid = process.geteuid?.() ?? 0;
  return {
    machine: { ...machine, host: { ...machine.host, euid } },
    yard: join(machine.host.runRoot, 'cgroup-yard'),
  };
}

describe('the cgroup yard where the unified hierarchy is all there is', () => {
  test('is a directory of ours with a link, made once', async () => {
    const { machine, yard } = await unified();
    const found = await Promise.all([cgroupYard(machine.host), cgroupYard(machine.host)]);
    expect([...found, await cgroupYard(machine.host)]).toEqual([yard, yard, yard]);
    expect(await readdir(yard)).toEqual(['unified']);
    expect(await readlink(join(yard, 'unified'))).toBe(machine.host.cgroupRoot);
    for (const path of [yard, dirname(yard)]) expect((await lstat(path)).mode & 0o777).toBe(0o700);
  });

  test.each<[string, (yard: string, machine: Machine) => Promise<unknown>]>([
    ['that others can write', (yard) => chmod(yard, 0o777)],
    ['that a group can write', (yard) => chmod(yard, 0o770)],
    ['whose parent others can write', (yard) => chmod(dirname(yard), 0o777)],
    [
      'that leads elsewhere',
      async (yard) => {
        await rm(join(yard, 'unified'));
        await symlink('/elsewhere', join(yard, 'unified'));
      },
    ],
    [
      'that has a file in the place of its link',
      async (yard) => {
        await rm(join(yard, 'unified'));
        await writeFile(join(yard, 'unified'), '');
      },
    ],
    ['in which CRIU has mounted more', (yard) => mkdir(join(yard, 'systemd'))],
    [
      'that is a link itself',
      async (yard, machine) => {
        await rm(yard, { recursive: true });
        await symlink(await machine.mkdir('elsewhere'), yard);
      },
    ],
    ['of a hierarchy that is hidden', (_yard, machine) => machine.write('proc/self/mountinfo', '')],
    [
      'beside another hierarchy',
      (_yard, machine) => machine.write('proc/self/cgroup', '1:name=systemd:/\n0::/\n'),
    ],
  ])('is not used: %s', async (_what, spoil) => {
    const { machine, yard } = await unified();
    expect(await cgroupYard(machine.host)).toBe(yard);
    await spoil(yard, machine);
    expect(await cgroupYard(machine.host)).toBeUndefined();
  });

  test('is done without where no directory can be made', async () => {
    const { machine } = await unified();
    await machine.write('run-libcriu', 'a file');
    expect(await cgroupYard(machine.host)).toBeUndefined();
  });
});
