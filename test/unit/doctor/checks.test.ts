import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { answer, type Check, passed } from '../../../lib/doctor/check.js';
import { checkEngines, checkRuntimes } from '../../../lib/doctor/engines.js';
import { examine } from '../../../lib/doctor/examine.js';
import { checkCgroups, checkPipeSize, checkSpace } from '../../../lib/doctor/machine.js';
import { checkRights } from '../../../lib/doctor/rights.js';
import { Criu, diagnose } from '../../../lib/index.js';
import { type Machine, makeMachine } from '../../helpers/container-machine.js';

/** What a check has come to, without its sentences. */
const short = (checks: readonly Check[]): string[] =>
  checks.map(({ code, status, subject }) => [code, status, subject].filter(Boolean).join(' '));

const all = 'CapEff:\t000001ffffffffff\n';

/** A program of the machine that prints. */
async function program(machine: Machine, path: string, prints: string): Promise<void> {
  await chmod(await machine.write(path, `#!/bin/sh\necho '${prints}'\n`), 0o755);
}

describe('what the process may do', () => {
  test.each([
    ['all', all, ['root ok', 'capabilities ok']],
    ['no CAP_SYS_RESOURCE', 'CapEff:\t000001fffeffffff\n', ['root ok', 'capabilities warning']],
    ['no CAP_SYS_ADMIN', 'CapEff:\t000001ffffdfffff\n', ['root ok', 'capabilities fails']],
    ['no CAP_SYS_PTRACE', 'CapEff:\t000001fffff7ffff\n', ['root ok', 'capabilities fails']],
  ])('%s', async (_name, status, expected) => {
    const machine = await makeMachine();
    await machine.write('proc/self/status', status);
    const checks = await checkRights(machine.host);
    expect(short(checks)).toEqual(expected);
    for (const { status: found, cure } of checks) expect(cure === undefined).toBe(found === 'ok');
  });

  test('another user than root', async () => {
    const { host } = await makeMachine();
    const [check, ...others] = await checkRights({ ...host, euid: 1000 });
    expect(check).toMatchObject({ code: 'root', status: 'fails', cure: expect.any(String) });
    expect(check?.message).toContain('user 1000');
    expect(others).toEqual([]);
  });
});

describe('the machine', () => {
  test.each([
    [false, 'cgroup v1, with v2 beside it (hybrid), and the driver is cgroupfs'],
    [true, 'cgroup v2, and the driver is cgroupfs'],
  ])('cgroups, unified: %s', async (unified, expected) => {
    const { host } = await makeMachine({ unified });
    const [check] = await checkCgroups(host);
    expect(check?.status).toBe('ok');
    expect(check?.message).toContain(expected);
  });

  test('cgroups with systemd, and none at all', async () => {
    const machine = await makeMachine({ unified: true });
    await machine.mkdir('run/systemd/system');
    expect((await checkCgroups(machine.host))[0]?.message).toContain('the driver is systemd');
    await machine.write('proc/self/mountinfo', '');
    const host = { ...machine.host, unified: async () => false };
    expect(short(await checkCgroups(host))).toEqual(['cgroups fails']);
  });

  test('the size of pipes', async () => {
    const machine = await makeMachine();
    await machine.write('proc/sys/fs/pipe-max-size', '1048576\n');
    expect(await checkPipeSize(machine.host)).toMatchObject([
      { status: 'warning', cure: 'sysctl fs.pipe-max-size=4194304' },
    ]);
    await machine.write('proc/sys/fs/pipe-max-size', '4194304\n');
    expect(short(await checkPipeSize(machine.host))).toEqual(['pipe-size ok']);
  });

  test('the space of a directory that is missing is that of the one above it', async () => {
    const { directory } = await makeMachine();
    const [check] = await checkSpace(join(directory, 'a/b'));
    expect(check).toMatchObject({ code: 'space', subject: directory });
  });

  test('runtimes', async () => {
    const machine = await makeMachine();
    const host = { ...machine.host, env: { PATH: '/usr/bin' } };
    expect(short(await checkRuntimes(host))).toEqual(['runtime warning']);
    await program(machine, 'usr/bin/runc', 'runc version 1.2.3');
    await program(machine, 'usr/bin/crun', 'crun version 1.8.1');
    expect(short(await checkRuntimes(host))).toEqual(['runtime ok runc', 'runtime warning crun']);
    await program(machine, 'usr/bin/crun', 'crun version 1.8.1 +SYSTEMD +CRIU');
    const [runc, crun] = await checkRuntimes(host);
    expect(runc?.message).toBe('runc 1.2.3 at /usr/bin/runc');
    expect(crun).toMatchObject({ status: 'ok', message: 'crun 1.8.1 at /usr/bin/crun' });
  });

  test('engines, and where they look for criu', async () => {
    const machine = await makeMachine();
    const criu = new Criu({ workers: 0 });
    const host = { ...machine.host, env: { PATH: '/usr/bin' } };
    expect(await checkEngines(criu, host)).toEqual([]);
    await program(machine, 'usr/bin/podman', 'podman');
    await machine.write('proc/77/comm', 'containerd\n');
    await machine.write('proc/77/cmdline', '/opt/containerd\0');
    await machine.write('proc/77/environ', 'A=b\0PATH=/opt/criu:/opt/bin\0');
    const found = await checkEngines(criu, host);
    expect(short(found)).toEqual(['engine warning podman', 'engine warning containerd']);
    expect(found[0]?.message).toContain('/usr/local/sbin:');
    expect(found[1]?.message).toContain('(/opt/criu:/opt/bin)');
    // One that does not run is told of with its path.
    await program(machine, 'opt/bin/criu', 'criu');
    expect((await checkEngines(criu, host))[1]?.message).toContain('at /opt/bin/criu: ');
  });
});

describe('a question', () => {
  test('without an answer is a warning', async () => {
    const question = {
      code: 'criu',
      what: 'criu',
      ask: () => new Promise<never>(() => {}),
    } as const;
    expect(await answer(question, 20)).toMatchObject([
      { code: 'criu', status: 'warning', message: 'There was no answer within 0.02 s: criu' },
    ]);
  });

  test('that fails is a warning with the reason', async () => {
    const ask = async (): Promise<never> => {
      throw new Error('gone');
    };
    const [check] = await answer({ code: 'space', what: 'the space', ask });
    expect(check).toMatchObject({ status: 'warning', message: expect.stringContaining('(gone)') });
    const said = [passed('space', 'there is some')];
    expect(await answer({ code: 'space', what: 'the space', ask: async () => said })).toBe(said);
  });
});

test('what needs a criu is not asked where there is none', async () => {
  const machine = await makeMachine();
  await machine.write('proc/self/status', all);
  await machine.write('proc/sys/fs/pipe-max-size', '4194304\n');
  const criu = new Criu({ prefix: machine.directory, workers: 0 });
  const { ok, checks } = await examine({ criu, imagePath: machine.directory }, machine.host);
  expect(ok).toBe(false);
  const codes = checks.map(({ code }) => code);
  expect(codes).not.toContain('kernel');
  expect(codes).toContain('cgroups');
  expect(checks.filter(({ status }) => status === 'fails')).toHaveLength(1);
});

test.each([
  [null, 'ERR_INVALID_ARG_TYPE'],
  [{ criu: {} }, 'ERR_INVALID_ARG_TYPE'],
  [{ imagePath: 7 }, 'ERR_INVALID_ARG_TYPE'],
  [{ imagepath: '/tmp' }, 'ERR_INVALID_ARG_VALUE'],
])('diagnose(%j) is refused', async (options, code) => {
  await expect(diagnose(options as never)).rejects.toMatchObject({ code });
});
