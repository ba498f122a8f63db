import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { checkpoint } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { isCured } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startContainer, withoutChildren } from '../../helpers/workloads/container.js';
import { rootDirectory } from '../../helpers/workloads/root-directory.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain of the mounts of a process', () => {
  test('finds a directory of the host', async () => {
    const root = await rootDirectory(scope);
    const source = join(await scope.directory(), 'source');
    await mkdir(join(source, 'below'), { recursive: true });
    await mountTmpfs(scope, '', source);
    await runOk('mount', ['--make-private', source]);
    await mkdir(join(source, 'below'));
    const { pid } = await startWorkload(scope, [
      'mounts',
      root,
      `bind:${join(source, 'below')}:/data`,
    ]);
    const expected = { code: 'mount-external', pid, subject: '/data', option: 'external' } as const;
    await isCured(scope, pid, expected, { root });
    expect(await explain(pid, { root, autoExtMnt: true })).toEqual([]);
    await dumpOk(scope, pid, { root, autoExtMnt: true });
  });

  test('finds one that receives mounts from the host', async () => {
    const root = await rootDirectory(scope);
    const source = join(await scope.directory(), 'source');
    await mkdir(source);
    await mountTmpfs(scope, '', source);
    await runOk('mount', ['--make-shared', source]);
    const { pid } = await startWorkload(scope, ['mounts', root, `slave:${source}:/data`]);
    await isCured(scope, pid, { code: 'mount-external', pid, subject: '/data' }, { root });
    expect(await explain(pid, { root, autoExtMnt: true })).not.toEqual([]);
    const both = { root, autoExtMnt: true, extMasters: true };
    expect(await explain(pid, both)).toEqual([]);
    await dumpOk(scope, pid, both);
  });

  test('finds a file system that CRIU does not know', async () => {
    const root = await rootDirectory(scope);
    const { pid } = await startWorkload(scope, ['mounts', root, 'fs:ramfs:/fs']);
    const expected = {
      code: 'mount-unsupported',
      pid,
      subject: '/fs',
      option: 'enableFs',
    } as const;
    await isCured(scope, pid, expected, { root });
    expect(await explain(pid, { root, skipMnt: ['/fs'] })).toEqual([]);
  });

  test('finds nothing in a mount that was added to a running container', async () => {
    const source = await scope.directory();
    await mkdir(join(source, 'below'));
    const container = await startContainer(scope, {
      args: withoutChildren,
      configure: (config) => {
        config.linux['rootfsPropagation'] = 'private';
      },
    });
    const { stateRoot } = container;
    const inside = ['--target', String(container.pid), '--mount', '--', '/bin/busybox'];
    await mkdir(join(container.rootfs, 'added'));
    await runOk('nsenter', [...inside, 'mount', '-o', 'bind', '/bin', '/added']);
    // What lies in the container's own root is no obstacle.
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    await checkpoint(container.id, {
      stateRoot,
      imagePath: container.path('images'),
      leaveRunning: true,
    });
  });

  test('finds message queues of a container', async () => {
    const container = await startContainer(scope);
    const { stateRoot } = container;
    const queue = `/proc/${container.pid}/root/dev/mqueue/queue`;
    await writeFile(queue, '');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({ code: 'posix-mqueue', severity: 'fails', pid: container.pid });
    const imagePath = container.path('images');
    await expect(
      checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true }),
    ).rejects.toThrow(/mqueue/);
  });
});
