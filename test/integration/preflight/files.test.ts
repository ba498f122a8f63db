import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dumpFails, dumpOk } from '../../helpers/criu/attempt.js';
import { isCured, isFatal, obstacles } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { startNode, startWorkload } from '../../helpers/system/process.js';
import { rootDirectory } from '../../helpers/workloads/root-directory.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('a file that is locked', async () => {
    const path = join(await scope.directory(), 'lock');
    const { pid } = await startWorkload(scope, ['lock', path]);
    await isCured(scope, pid, {
      code: 'file-lock',
      pid,
      fd: 4,
      subject: path,
      option: 'fileLocks',
    });
  });

  test('a file from outside of the mount namespace', async () => {
    const root = await rootDirectory(scope);
    const file = join(await scope.directory(), 'outside');
    const { pid } = await startSituation(scope, ['outside', root, file]);
    await isCured(scope, pid, { code: 'file-outside', pid, option: 'external' }, { root });
  });

  test('a deleted file that is too large, open and mapped', async () => {
    const size = 2 * 1024 * 1024;
    const open = join(await scope.directory(), 'open');
    const { pid } = await startWorkload(scope, ['ghost', open, size]);
    await isCured(scope, pid, {
      code: 'file-unlinked',
      pid,
      fd: 4,
      subject: open,
      option: 'ghostLimit',
    });
    const mapped = join(await scope.directory(), 'mapped');
    const other = await startSituation(scope, ['mapped', mapped, size]);
    await isCured(scope, other.pid, {
      code: 'file-unlinked',
      subject: mapped,
      option: 'ghostLimit',
    });
    const small = join(await scope.directory(), 'small');
    const third = await startWorkload(scope, ['ghost', small, 4096]);
    expect(await explain(third.pid)).toEqual([]);
  });

  test('a program that was replaced, as an upgrade does', async () => {
    const program = join(await scope.directory(), 'program');
    // Not process.execPath, which is a script where the addon has a sanitizer.
    await copyFile('/proc/self/exe', program);
    await chmod(program, 0o755);
    const { pid } = await startNode(scope, 'setInterval(() => {}, 1000); ready("up")', program);
    expect(obstacles(await explain(pid))).toEqual([]);
    await runOk('rm', [program]);
    await isCured(scope, pid, { code: 'file-unlinked', subject: program, option: 'ghostLimit' });
  });

  test('a file whose name is gone while another is left', async () => {
    const directory = await scope.directory();
    const [gone, kept] = [join(directory, 'gone'), join(directory, 'kept')];
    const { pid } = await startWorkload(scope, ['link', gone, kept]);
    await isCured(scope, pid, {
      code: 'file-renamed',
      pid,
      fd: 4,
      subject: gone,
      option: 'linkRemap',
    });
  });

  test('a file that another one hides', async () => {
    const directory = await scope.directory();
    const path = join(directory, 'file');
    await writeFile(path, '');
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['hold', path]);
    await mountTmpfs(scope, '', directory);
    await writeFile(path, 'another');
    await isFatal(scope, pid, { code: 'file-hidden', pid, fd, subject: path });
  });

  test('a file on a mount under another mount', async () => {
    const directory = await scope.directory();
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['covered', directory]);
    expect(await isFatal(scope, pid, { code: 'file-hidden', pid, fd })).toContain('overmounted');
  });

  test('a device whose node was made anew', async () => {
    const directory = await scope.directory();
    const node = join(directory, 'null');
    await runOk('mknod', [node, 'c', '1', '3']);
    const { pid } = await startWorkload(scope, ['hold', node]);
    await mountTmpfs(scope, '', directory);
    await runOk('mknod', [node, 'c', '1', '3']);
    await isCured(scope, pid, { code: 'file-hidden', pid, fd: 4, option: 'evasiveDevices' });
  });

  test('a watched file that has to be looked for', async () => {
    const directory = await scope.directory();
    await mountTmpfs(scope, '', directory);
    const [lower = '', upper = '', work = '', merged = ''] = ['l', 'u', 'w', 'm'].map((name) =>
      join(directory, name),
    );
    for (const layer of [lower, upper, work, merged]) await mkdir(layer);
    await writeFile(join(lower, 'file'), '');
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await runOk('mount', ['-t', 'overlay', 'none', '-o', layers, merged]);
    scope.defer(() => runOk('umount', ['--lazy', merged]));
    const path = join(merged, 'file');
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['watch', path]);
    expect(await explain(pid)).toMatchObject([
      { code: 'watch', severity: 'needs-option', pid, fd, option: 'irmapPaths' },
    ]);
    await dumpFails(scope, pid);
    expect(await explain(pid, { irmapPaths: [merged] })).toEqual([]);
    await dumpOk(scope, pid, { irmapPaths: [merged] });
  });
});
