import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { dump, explain, restore } from '../../../helpers/api.js';
import type { Scope } from '../../../helpers/cleanup.js';
import type { ReportRow, Way } from '../../../helpers/engines/report.js';
import { distCli } from '../../../helpers/paths.js';
import { rejection } from '../../../helpers/rejection.js';
import { run, runOk, until } from '../../../helpers/system/exec.js';
import { isAlive } from '../../../helpers/system/process.js';
import { cgroupOf, lastNumber, limitsOf, makeService, Service, systemctl } from '../service.js';
import type { Suite } from '../suite-module.js';
import { web, writeDocumentedUnits } from '../web-service.js';

export const title = 'services of systemd';

/** The directory for images that the documentation has. */
async function documentedImages(scope: Scope): Promise<string> {
  await mkdir('/var/lib/ckpt', { recursive: true });
  scope.defer(() => rm('/var/lib/ckpt', { recursive: true }));
  return '/var/lib/ckpt/web';
}

/** Puts the command where a package manager would. */
async function installCommand(scope: Scope): Promise<void> {
  const path = '/usr/local/bin/libcriu';
  await symlink(distCli, path);
  scope.defer(() => rm(path));
}

const limited = ['MemoryMax=48M', 'TasksMax=9', 'CPUQuota=50%'] as const;
const limits = { 'cpu.max': '50000 100000', 'memory.max': '50331648', 'pids.max': '9' };

/** The row of a service. */
async function rowOf(way: Way, before: number, after: number): Promise<ReportRow> {
  const [, version] = /^systemd (\d+)/.exec(await systemctl('--version')) ?? [];
  return { engine: `a service of systemd ${version}`, way, before, after };
}

/** No process of a test is to be left when the cgroup that it is in goes on. */
function endLater(scope: Scope, pid: number): void {
  scope.defer(() => run('kill', ['-KILL', String(pid)]));
}

export const suite: Suite = {
  'a service that writes to the journal is saved, restored, and writes on': async (scope) => {
    const service = await makeService(scope, 'web.service', web());
    await service.start();
    const pid = await service.mainPid();
    const before = await service.countsBeyond(2);
    const found = new Set((await explain(pid)).map(({ code }) => code));
    assert.ok(found.has('unix-journal') && found.has('systemd-unit'));
    const imagePath = join(await scope.directory(), 'images');
    const { warnings } = await dump(pid, { imagePath, journal: true });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /web\.service .* starts no other one/);
    await service.ends();
    const saved = await service.count();
    assert.ok(saved >= before);
    const restored = await restore(imagePath, { manageCgroupsMode: 'ignore' });
    endLater(scope, pid);
    assert.equal(restored.pid, pid);
    const after = await until('it writes on', async () => {
      const number = await lastNumber(`_PID=${pid}`);
      return number > saved && number;
    });
    assert.ok(after < saved + 1000, 'it goes on from where it was');
    assert.equal(cgroupOf(pid), cgroupOf(process.pid));
  },

  'a service is saved by its name, and is the same service again when it is restored': async (
    scope,
  ) => {
    const service = await makeService(scope, 'web.service', web(...limited));
    await service.start();
    const pid = await service.mainPid();
    await service.countsBeyond(2);
    assert.deepEqual(limitsOf(pid), limits);
    const imagePath = join(await scope.directory(), 'images');
    const { warnings } = await dump({ unit: 'web' }, { imagePath });
    assert.equal(warnings.length, 1);
    await service.ends();
    const saved = await service.count();

    const restored = await restore(imagePath, { unit: 'web' });
    assert.equal(restored.pid, pid);
    assert.ok(await service.isActive());
    assert.equal(await service.mainPid(), pid);
    assert.equal(cgroupOf(pid), '/system.slice/web.service');
    assert.deepEqual(limitsOf(pid), limits);
    const after = await service.countsBeyond(saved);
    assert.ok(after < saved + 1000, 'it goes on from where it was');
    const row = await rowOf('by name', saved, after);
    // It is the unit as it was, for the next start as well.
    assert.equal(await service.property('DropInPaths'), '');
    assert.ok(!existsSync('/run/systemd/system/web.service.d'));
    assert.equal(await service.property('Type'), 'simple');

    await service.stop();
    await until('it has ended', () => !isAlive(pid));
    await service.start();
    assert.ok((await service.mainPid()) !== pid);
    assert.ok(!existsSync('/run/libcriu/units/web.service.pid'));
    return [row, { ...row, way: 'killed' }];
  },

  'a service that is left running by its dump is in its cgroup, and counts on': async (scope) => {
    const service = await makeService(scope, 'web.service', web(...limited));
    await service.start();
    const pid = await service.mainPid();
    const before = await service.countsBeyond(2);
    const imagePath = join(await scope.directory(), 'images');
    const { warnings } = await dump({ unit: 'web' }, { imagePath, leaveRunning: true });
    assert.deepEqual(warnings, []);
    const after = await service.countsBeyond(await service.count());
    assert.equal(await service.mainPid(), pid);
    assert.equal(cgroupOf(pid), '/system.slice/web.service');
    assert.deepEqual(limitsOf(pid), limits);
    return [await rowOf('left running', before, after)];
  },

  'a service that systemd starts anew after its dump is warned of': async (scope) => {
    const service = await makeService(scope, 'web.service', web('Restart=on-failure'));
    await service.start();
    await service.countsBeyond(2);
    const imagePath = join(await scope.directory(), 'images');
    const { pid, warnings } = await dump({ unit: 'web' }, { imagePath });
    assert.match(warnings.join(), /because of Restart=on-failure/);
    await until('there is another one', async () => {
      const other = await service.mainPid();
      return other !== 0 && other !== pid;
    });
    const error = await rejection(restore(imagePath, { unit: 'web' }));
    assert.equal(error.code, 'ERR_PROCESS_EXISTS');
    assert.ok(await service.isActive());
  },

  'the commands and the template of docs/systemd.md restore a service': async (scope) => {
    const service = await makeService(scope, 'web.service', web('Restart=always'));
    await writeDocumentedUnits(scope);
    await installCommand(scope);
    const imagePath = await documentedImages(scope);
    await service.start();
    const pid = await service.mainPid();
    await service.countsBeyond(2);
    await runOk('libcriu', ['dump', '--unit', 'web', '--image-path', imagePath]);
    await service.ends();
    assert.equal(await service.property('NRestarts'), '0');
    const saved = await service.count();

    const restored = new Service('libcriu-restore@web.service');
    await systemctl('set-property', '--runtime', restored.name, 'MemoryMax=256M', 'TasksMax=99');
    scope.defer(() => systemctl('revert', restored.name));
    await restored.start();
    scope.defer(() => restored.stop());
    assert.equal(await restored.mainPid(), pid);
    assert.match(cgroupOf(pid), /\/libcriu-restore@web\.service$/);
    assert.equal(limitsOf(pid)['memory.max'], String(256 * 1024 * 1024));
    assert.equal(limitsOf(pid)['pids.max'], '99');
    await restored.countsBeyond(saved);
    // The one excludes the other.
    await service.start();
    await until('the restored one has ended', () => !isAlive(pid));
    await service.stop();

    await runOk('libcriu', ['restore', '--unit', 'web', imagePath]);
    assert.equal(await service.mainPid(), pid);
    await service.countsBeyond(saved);
  },
};
