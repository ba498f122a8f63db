import { readFileSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { dumpFails, dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { startWorkload, workloadBinary } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

/** A tmpfs of the host, and a process in its own mount namespace to which it is bound at /data. */
async function processWithMount(
  kind: 'bind' | 'shared' | 'slave',
): Promise<{ pid: number; root: string; source: string }> {
  const directory = await scope.directory();
  const [root, source] = [join(directory, 'root'), join(directory, 'source')];
  await Promise.all([mkdir(root), mkdir(source)]);
  await copyFile(await workloadBinary(), join(root, 'workload'));
  await runOk('chmod', ['755', join(root, 'workload')]);
  await mountTmpfs(scope, '', source);
  await runOk('mount', [kind === 'bind' ? '--make-private' : '--make-shared', source]);
  const { pid } = await startWorkload(scope, ['mounts', root, `${kind}:${source}:/data`]);
  return { pid, root, source };
}

/** A process in its own mount namespace with a new file system at /fs. */
async function processWithFs(type: string): Promise<{ pid: number; root: string }> {
  const root = join(await scope.directory(), 'root');
  await mkdir(root);
  await copyFile(await workloadBinary(), join(root, 'workload'));
  await runOk('chmod', ['755', join(root, 'workload')]);
  const { pid } = await startWorkload(scope, ['mounts', root, `fs:${type}:/fs`]);
  return { pid, root };
}

const archives = (files: string[]): string[] => files.filter((name) => name.startsWith('tmpfs-'));

optionTest('external', 'a mount of the host is named instead of archived', async () => {
  const { pid, root } = await processWithMount('bind');
  const plain = await dumpOk(scope, pid, { root });
  expect(archives(plain.files)).toHaveLength(1);
  const { files, imagePath } = await dumpOk(scope, pid, {
    root,
    external: ['mnt[/data]:host-data'],
  });
  expect(archives(files)).toEqual([]);
  const mountpoints = files.find((name) => name.startsWith('mountpoints-')) ?? '';
  expect(readFileSync(join(imagePath, mountpoints), 'latin1')).toContain('host-data');
});

optionTest('autoExtMnt', 'a mount of the host is found to be external by itself', async () => {
  const { pid, root, source } = await processWithMount('bind');
  const plain = await dumpOk(scope, pid, { root });
  expect(plain.log.has(/autodetected external mount/)).toBe(false);
  const { log, files } = await dumpOk(scope, pid, { root, autoExtMnt: true });
  expect(log.text).toContain(`autodetected external mount ${source}`);
  expect(archives(files)).toEqual([]);
});

optionTest('extSharing', 'a mount that shares with the host is external only with it', async () => {
  const { pid, root } = await processWithMount('shared');
  const plain = await dumpOk(scope, pid, { root, autoExtMnt: true });
  expect(plain.log.has(/autodetected external mount/)).toBe(false);
  const { log } = await dumpOk(scope, pid, { root, autoExtMnt: true, extSharing: true });
  expect(log.has(/autodetected external mount .*\.\/data/)).toBe(true);
});

optionTest('extMasters', 'a mount whose master is on the host fails without it', async () => {
  const { pid, root } = await processWithMount('slave');
  expect((await dumpFails(scope, pid, { root, autoExtMnt: true })).message).toMatch(
    /unreachable sharing/,
  );
  const { log } = await dumpOk(scope, pid, { root, autoExtMnt: true, extMasters: true });
  expect(log.has(/Detected external slavery/)).toBe(true);
});

optionTest('skipMnt', 'the mount is left out', async () => {
  const { pid, root } = await processWithFs('tmpfs');
  const plain = await dumpOk(scope, pid, { root });
  expect(archives(plain.files)).toHaveLength(1);
  const { log, files } = await dumpOk(scope, pid, { root, skipMnt: ['/fs'] });
  expect(log.has(/skip tmpfs @ \.\/fs/)).toBe(true);
  expect(archives(files)).toEqual([]);
});

optionTest(
  'enableFs',
  'a mount of a file system that CRIU does not know fails without it',
  async () => {
    const { pid, root } = await processWithFs('ramfs');
    expect((await dumpFails(scope, pid, { root })).message).toMatch(/unsupported/);
    const { files, imagePath } = await dumpOk(scope, pid, { root, enableFs: ['ramfs'] });
    const mountpoints = files.find((name) => name.startsWith('mountpoints-')) ?? '';
    expect(readFileSync(join(imagePath, mountpoints), 'latin1')).toContain('ramfs');
  },
);
