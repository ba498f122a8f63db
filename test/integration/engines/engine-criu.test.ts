import { chownSync } from 'node:fs';
import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findEngineCriuProblem } from '../../../lib/container/engines/engine-criu.js';
import { findContainer } from '../../../lib/container/find.js';
import { Criu } from '../../../lib/criu/criu.js';
import { oldCriu } from '../../../tools/old-criu.mjs';
import { init, type Machine, makeMachine } from '../../helpers/container-machine.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary, prefix } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const podmans = (state: string): string =>
  state.replace('"labels":[', '"labels":["io.container.manager=libpod",');

/** A machine with a container of podman, whose monitor has a `PATH`. */
async function machineWith(path: string | undefined, monitor = 'conmon'): Promise<Machine> {
  const machine = await makeMachine();
  await machine.container('runc-1.1.5-hybrid', podmans);
  const rest = `77 ${'0 '.repeat(17)}${init.runc.startTime} 0 0`;
  await machine.write(`proc/${init.runc.pid}/stat`, `${init.runc.pid} (sh) S ${rest}\n`);
  await machine.write('proc/77/stat', `77 (${monitor}) S 1 ${'0 '.repeat(17)}5 0 0\n`);
  const environment = ['HOME=/', ...(path === undefined ? [] : [`PATH=${path}`]), ''];
  await machine.write('proc/77/environ', environment.join('\0'));
  return machine;
}

/** Puts a criu into a directory of the machine. */
async function install(machine: Machine, directory: string, binary: string): Promise<string> {
  const path = join(machine.directory, directory, 'criu');
  await mkdir(dirname(path), { recursive: true });
  await cp(binary, path);
  return path;
}

async function problemOn({ host, root }: Machine, criu = new Criu({ prefix })) {
  onTestFinished(() => criu.close());
  const container = await findContainer('web', { root }, host);
  return await findEngineCriuProblem(container, criu, host);
}

describe('the criu of the engine', () => {
  test('that is the same version is no problem', async () => {
    const machine = await machineWith('/opt/bin');
    await install(machine, 'opt/bin', criuBinary);
    expect(await problemOn(machine)).toBeUndefined();
  });

  test('that is missing is told of, with the PATH of the monitor', async () => {
    const problem = await problemOn(await machineWith('/opt/bin:/opt/sbin'));
    expect(problem).toMatchObject({
      code: 'ERR_CRIU_NOT_FOUND',
      message: expect.stringMatching(
        /^podman finds no criu in its PATH \(\/opt\/bin:\/opt\/sbin\)/,
      ),
    });
  });

  test('that cannot be used on this kernel is told of, with its version', async () => {
    const machine = await machineWith('/opt/bin');
    const path = await install(machine, 'opt/bin', oldCriu);
    const problem = await problemOn(machine);
    expect(problem?.code).toBe('ERR_CRIU_TOO_OLD');
    expect(problem?.message).toMatch(/^criu 3\.\d+(\.\d+)? at /);
    expect(problem?.message).toContain(`${path}, with which podman restores, is too old`);
  });

  test('is the first in PATH that can be executed', async () => {
    const machine = await machineWith('relative:/a:/b:/c');
    await chmod(await install(machine, 'a', oldCriu), 0o644);
    await mkdir(join(machine.directory, 'b/criu'), { recursive: true });
    await install(machine, 'c', criuBinary);
    expect(await problemOn(machine)).toBeUndefined();
  });

  test.each([
    ['no PATH', undefined, 'conmon'],
    ['a parent that is no monitor', '/opt/bin', 'bash'],
  ])('is looked for where programs usually are with %s', async (_what, path, monitor) => {
    const machine = await machineWith(path, monitor);
    await install(machine, 'usr/sbin', criuBinary);
    await install(machine, 'opt/bin', oldCriu);
    expect(await problemOn(machine)).toBeUndefined();
  });

  test('that another user may have written is not run', async () => {
    const machine = await machineWith('/opt/bin');
    const path = await install(machine, 'opt/bin', criuBinary);
    const mark = join(await scope.directory(), 'run');
    await writeFile(path, `#!/bin/sh\ntouch ${mark}\n`);
    chownSync(path, 1000, 1000);
    const problem = await problemOn(machine);
    expect(problem?.code).toBeUndefined();
    expect(problem?.message).toMatch(
      /^It is not known whether podman can restore with .+ user 1000/,
    );
  });

  test('that does not tell its version is told of', async () => {
    const machine = await machineWith('/opt/bin');
    const path = await install(machine, 'opt/bin', criuBinary);
    await writeFile(path, '#!/bin/sh\nexit 3\n');
    const problem = await problemOn(machine);
    expect(problem).toMatchObject({ code: undefined, message: expect.stringMatching(/status 3/) });
  });

  test('of runc is nobody, which is given ours', async () => {
    const machine = await makeMachine();
    await machine.container('runc-1.1.5-hybrid');
    await machine.process(init.runc.pid, init.runc.startTime);
    expect(await problemOn(machine)).toBeUndefined();
  });

  test('by a symbolic link to ours is ours', async () => {
    const machine = await machineWith('/opt/bin');
    await mkdir(join(machine.directory, 'opt/bin'), { recursive: true });
    await symlink(criuBinary, join(machine.directory, 'opt/bin/criu'));
    expect(await problemOn(machine)).toBeUndefined();
  });
});
