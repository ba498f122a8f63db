import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { findContainer } from '../../../../lib/container/find.js';
import { requireCheckpointable, untilStarted } from '../../../../lib/container/state/status.js';
import { init, type Machine, makeMachine } from '../../../helpers/container-machine.js';
import { rejection } from '../../../helpers/rejection.js';

async function runc(options?: { unified: boolean }): Promise<Machine> {
  const machine = await makeMachine(options);
  await machine.container(options?.unified ? 'runc-1.5.1-v2' : 'runc-1.1.5-hybrid');
  await machine.process(init.runc.pid, init.runc.startTime);
  return machine;
}

async function statusOf(machine: Machine): Promise<string> {
  return (await findContainer('web', machine, machine.host)).status;
}

/** The gate's sentence, or `undefined` when it lets the container pass. */
async function gate(machine: Machine): Promise<string | undefined> {
  const container = await findContainer('web', machine, machine.host);
  const passed = await requireCheckpointable(container, machine.host).then(
    () => true,
    () => false,
  );
  if (passed) return undefined;
  const error = await rejection(requireCheckpointable(container, machine.host));
  expect(error).toMatchObject({ name: 'CriuError', code: 'ERR_CONTAINER_STATE' });
  return error.message;
}

const freezerOf = async (machine: Machine, state: string, self = '1') => {
  await machine.write('cgroup/freezer/web/freezer.state', `${state}\n`);
  await machine.write('cgroup/freezer/web/freezer.self_freezing', `${self}\n`);
};

describe('the status of a runc container is', () => {
  test('running', async () => {
    const machine = await runc();
    await freezerOf(machine, 'THAWED', '0');
    expect(await statusOf(machine)).toBe('running');
    expect(await gate(machine)).toBeUndefined();
  });

  test('running without a freezer', async () => {
    const machine = await runc();
    expect(await statusOf(machine)).toBe('running');
  });

  test('created while the start is awaited', async () => {
    const machine = await runc();
    await machine.write('run/web/exec.fifo', '');
    expect(await statusOf(machine)).toBe('created');
    expect(await gate(machine)).toBe(
      'Container cannot be checkpointed in created state (id "web")',
    );
  });

  test('paused', async () => {
    const machine = await runc();
    await freezerOf(machine, 'FROZEN');
    expect(await statusOf(machine)).toBe('paused');
    expect(await gate(machine)).toBeUndefined();
  });

  test('running when only an ancestor is frozen', async () => {
    const machine = await runc();
    await freezerOf(machine, 'FROZEN', '0');
    expect(await statusOf(machine)).toBe('running');
  });

  test('known once a cgroup that is just freezing is frozen', async () => {
    const machine = await runc();
    await freezerOf(machine, 'FREEZING');
    const status = statusOf(machine);
    await sleep(20);
    await freezerOf(machine, 'FROZEN');
    expect(await status).toBe('paused');
  });

  test.each([
    [
      'its init is gone',
      async (machine: Machine) => rm(join(machine.directory, 'proc/8148'), { recursive: true }),
    ],
    [
      'its init is a zombie',
      async (machine: Machine) => machine.process(8148, init.runc.startTime, 'Z'),
    ],
    [
      'its init is dead',
      async (machine: Machine) => machine.process(8148, init.runc.startTime, 'X'),
    ],
    [
      'its pid is another process',
      async (machine: Machine) => machine.process(8148, init.runc.startTime + 1),
    ],
  ])('stopped when %s', async (_name, change) => {
    const machine = await runc();
    await change(machine);
    expect(await statusOf(machine)).toBe('stopped');
    expect(await gate(machine)).toBe(
      'Container cannot be checkpointed in stopped state (id "web"): ' +
        "its init process 8148 is gone or the pid is another's",
    );
  });

  test('stopped when it has no init', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid', (text) =>
      text.replace('"init_process_pid":8148', '"init_process_pid":-1'),
    );
    expect(await statusOf(machine)).toBe('stopped');
    expect(await gate(machine)).toBe(
      'Container cannot be checkpointed in stopped state (id "web")',
    );
  });

  test('not paused when a cgroup is frozen without its init', async () => {
    const machine = await runc();
    await freezerOf(machine, 'FROZEN');
    await machine.process(8148, init.runc.startTime, 'Z');
    expect(await statusOf(machine)).toBe('paused');
    expect(await gate(machine)).toContain('in stopped state');
  });
});

describe('the status on the unified hierarchy', () => {
  test.each([
    ['running', '0', 'populated 1\nfrozen 0\n'],
    ['paused', '1', 'populated 1\nfrozen 1\n'],
  ])('%s', async (status, freeze, events) => {
    const machine = await runc({ unified: true });
    await machine.write('cgroup/web/cgroup.freeze', `${freeze}\n`);
    await machine.write('cgroup/web/cgroup.events', events);
    expect(await statusOf(machine)).toBe(status);
  });

  test('waits until every task has come to rest', async () => {
    const machine = await runc({ unified: true });
    await machine.write('cgroup/web/cgroup.freeze', '1\n');
    await machine.write('cgroup/web/cgroup.events', 'populated 1\nfrozen 0\n');
    const status = statusOf(machine);
    await sleep(20);
    await machine.write('cgroup/web/cgroup.events', 'populated 1\nfrozen 1\n');
    expect(await status).toBe('paused');
  });
});

describe('the status of a crun container', () => {
  async function crun(): Promise<Machine> {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1');
    await machine.process(init.crun.pid, init.crun.startTime);
    return machine;
  }

  test('is running, paused or created', async () => {
    const machine = await crun();
    expect(await statusOf(machine)).toBe('running');
    await freezerOf(machine, 'FROZEN');
    expect(await statusOf(machine)).toBe('paused');
    // crun looks for the pipe before the freezer.
    await machine.write('run/web/exec.fifo', '');
    expect(await statusOf(machine)).toBe('created');
  });

  test('is stopped without its init, though its cgroup is frozen', async () => {
    const machine = await crun();
    await freezerOf(machine, 'FROZEN');
    await machine.process(init.crun.pid, 1);
    expect(await statusOf(machine)).toBe('stopped');
  });

  test('is believed without a start time, which older ones did not record', async () => {
    const machine = await makeMachine();
    await machine.container('crun-1.8.1-v1', (text) =>
      text.replace('"process-start-time": 148080,', ''),
    );
    await machine.process(init.crun.pid, 1);
    expect(await statusOf(machine)).toBe('running');
  });
});

describe('a container that has just been started', () => {
  test('is waited for while its init process is still the runtime', async () => {
    const machine = await runc();
    const comm = `proc/${init.runc.pid}/comm`;
    await machine.write(comm, 'runc:[2:INIT]\n');
    const container = await findContainer('web', machine, machine.host);
    let started = false;
    const waiting = untilStarted(container, machine.host).then(() => {
      started = true;
    });
    await sleep(20);
    expect(started).toBe(false);
    await machine.write(comm, 'sh\n');
    await waiting;
  });

  test('is not waited for once its own program runs', async () => {
    const machine = await runc();
    await machine.write(`proc/${init.runc.pid}/comm`, 'runc-like\n');
    const container = await findContainer('web', machine, machine.host);
    const read = vi.spyOn(performance, 'now');
    await untilStarted(container, machine.host);
    // Once for the time limit, once before the only look.
    expect(read.mock.calls.length).toBeLessThanOrEqual(2);
    read.mockRestore();
  });
});
