import { stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { placeOf } from '../../../lib/linux/cgroup.js';
import { Cgroup, CgroupError, requireTask } from '../../../lib/linux/cgroup-directory.js';
import { splitDevice } from '../../../lib/linux/device.js';
import { type Machine, makeMachine } from '../../helpers/container-machine.js';

/** A machine whose mounts are of these roots at these places below its directory. */
async function machineWith(
  ...mounts: [point: string, root: string, options: string][]
): Promise<{ machine: Machine; dev: bigint }> {
  const machine = await makeMachine();
  const { dev } = await stat(machine.directory, { bigint: true });
  const { major, minor } = splitDevice(dev);
  const lines = mounts.map(
    ([point, root, options]) =>
      `30 25 ${major}:${minor} ${root} ${machine.directory}/${point} rw - ${options}`,
  );
  await machine.write('proc/self/mountinfo', `${lines.join('\n')}\n`);
  return { machine, dev };
}

const freezer = 'cgroup cgroup rw,freezer';

describe('placeOf', () => {
  test.each([
    ['a cgroup', 'cg/web/a', [['cg', '/', freezer]], '5:freezer:/web/a'],
    ['the root', 'cg', [['cg', '/', freezer]], '5:freezer:/'],
    ['a cgroup whose name has a blank', 'cg/a b', [['cg', '/', freezer]], '5:freezer:/a b'],
    ['a part of the hierarchy that is bound', 'b/a', [['b', '/web', freezer]], '5:freezer:/web/a'],
    ['that part itself', 'b', [['b', '/web', freezer]], '5:freezer:/web'],
    ['what is above our namespace', 'cg', [['cg', '/..', freezer]], '5:freezer:/..'],
    ['v2', 'cg/web', [['cg', '/', 'cgroup2 cgroup2 rw']], '0::/web'],
    [
      'a mount on a mount',
      'cg/web/a',
      [
        ['cg', '/', freezer],
        ['cg/web', '/other', freezer],
      ],
      '5:freezer:/other/a',
    ],
    [
      'two mounts at one place',
      'cg/a',
      [
        ['cg', '/', freezer],
        ['cg', '/other', freezer],
      ],
      '5:freezer:/other/a',
    ],
    ['a hierarchy that we are not in', 'cg/a', [['cg', '/', 'cgroup c rw,pids']], 'undefined/a'],
    ['nothing that is mounted', 'elsewhere', [['cg', '/', freezer]], undefined],
    ['a neighbour with the same beginning', 'cg2/a', [['cg', '/', freezer]], undefined],
  ] as [string, string, [string, string, string][], string | undefined][])(
    'tells the place of %s',
    async (_name, path, mounts, place) => {
      const { machine, dev } = await machineWith(...mounts);
      const found = placeOf(`${machine.directory}/${path}`, dev, machine.host);
      expect(found && `${found.hierarchy}${found.inside}`).toBe(place);
    },
  );
});

describe('requireTask', () => {
  const inIt = 'process 7 is not in it';
  const self = 'this process is in it';
  test.each([
    ['a task in it', '/', '/web', undefined],
    ['a task below it', '/', '/web/a/b', undefined],
    ['a task beside it', '/', '/other', inIt],
    ['a task whose cgroup begins alike', '/', '/web2', inIt],
    ['a task above it', '/', '/', inIt],
    ['a task outside our namespace', '/', '/../web', inIt],
    ['a task that is gone', '/', undefined, inIt],
    ['this process in it as well', '/web', '/web', self],
    ['this process below it', '/web/a', '/web', self],
  ])('with %s', async (_name, ours, theirs, why) => {
    const machine = await makeMachine();
    const path = await machine.mkdir('cgroup/freezer/web');
    await machine.write('proc/self/cgroup', `5:freezer:${ours}\n0::/\n`);
    if (theirs !== undefined)
      await machine.write('proc/7/cgroup', `5:freezer:${theirs}\n0::/web\n`);
    const cgroup = Cgroup.open(path, machine.host);
    try {
      const check = () => requireTask(cgroup, 7);
      if (why === undefined) check();
      else expect(check).toThrow(why);
    } finally {
      cgroup.close();
    }
  });

  test.each(['/', '/..', '/../..'])('refuses a root, shown as %s', async (root) => {
    const { machine } = await machineWith(['cgroup/freezer', root, freezer]);
    const cgroup = Cgroup.open(await machine.mkdir('cgroup/freezer'), machine.host);
    try {
      expect(() => requireTask(cgroup, 7)).toThrow(CgroupError);
      expect(() => requireTask(cgroup, 7)).toThrow(self);
    } finally {
      cgroup.close();
    }
  });
});
