import { expect, test } from 'vitest';
import { runningServices } from '../../../lib/linux/services.js';
import { findService, isServiceRunning } from '../../../lib/units/find.js';
import { type Machine, makeMachine } from '../../helpers/container-machine.js';
import { failureOf } from '../../helpers/rejection.js';

/** Processes of a made machine: each with its parent and its cgroup. */
async function put(
  machine: Machine,
  processes: readonly (readonly [pid: number, parent: number, cgroup: string])[],
): Promise<void> {
  const members = new Map<string, number[]>();
  for (const [pid, parent, cgroup] of processes) {
    members.set(cgroup, [...(members.get(cgroup) ?? []), pid]);
    const rest = '0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0';
    await machine.write(`proc/${pid}/stat`, `${pid} (web) S ${parent} ${rest}\n`);
  }
  for (const [cgroup, pids] of members) {
    await machine.write(`cgroup/${cgroup}/cgroup.procs`, `${pids.join('\n')}\n`);
  }
}

test('services are found in all slices, and not below services', async () => {
  const machine = await makeMachine({ unified: true });
  for (const path of [
    'system.slice/web.service/inner.service',
    'system.slice/system-a.slice/a@1.service',
    'user.slice/user-0.slice/user@0.service/app.slice/mine.service',
    'top.service',
    'system.slice/docker-1.scope/x.service',
  ]) {
    await machine.mkdir(`cgroup/${path}`);
  }
  const names = [...runningServices(machine.host).keys()].sort();
  expect(names).toEqual(['a@1.service', 'top.service', 'user@0.service', 'web.service']);
});

test('services are found in the hierarchy of systemd where there are several', async () => {
  const machine = await makeMachine();
  await put(machine, [[7, 1, 'systemd/system.slice/web.service']]);
  expect(await findService('web.service', machine.host)).toMatchObject({ pid: 7 });
});

test('the main process is the one that is nobody else’s child, also of cgroups below', async () => {
  const machine = await makeMachine({ unified: true });
  await put(machine, [
    [12, 10, 'system.slice/web.service/worker'],
    [10, 1, 'system.slice/web.service'],
    [11, 10, 'system.slice/web.service'],
  ]);
  const service = await findService('web.service', machine.host);
  expect(service).toEqual({ name: 'web.service', pid: 10, leftOut: [] });
  expect(isServiceRunning('web.service', machine.host)).toBe(true);
});

test('a service that does not run is told, with one that may be meant', async () => {
  const machine = await makeMachine({ unified: true });
  await put(machine, [[10, 1, 'system.slice/web.service']]);
  await machine.mkdir('cgroup/system.slice/empty.service');
  const error = await failureOf(findService('wep.service', machine.host));
  expect(error).toMatchObject({
    code: 'ERR_PROCESS_NOT_FOUND',
    message: 'The service wep.service does not run; did you mean web.service?',
  });
  for (const name of ['empty.service', 'other-one.service']) {
    expect(isServiceRunning(name, machine.host)).toBe(false);
  }
});
