import { chmod, copyFile, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { oldCriu } from '../../../tools/old-criu.mjs';
import { type CheckpointOptions, Criu, checkpoint } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary, distIndex, prefix } from '../../helpers/paths.js';
import { rejection } from '../../helpers/rejection.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
const shared = new Scope();
let container: Container;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'setpriv');
  container = await startContainer(shared, { args: ['/workload', '-', 'idle'] });
});
afterAll(() => shared.close());

/** Refused with this code before anything is written, the container running. */
async function isRefused(
  criu: Criu,
  code: string,
  says: readonly (string | RegExp)[],
): Promise<void> {
  const before = snapshotDirectory(container.directory);
  const options: CheckpointOptions = {
    stateRoot: container.stateRoot,
    imagePath: container.path('images'),
    leaveRunning: true,
    criu,
  };
  const error = await rejection(checkpoint(container.id, options));
  expect({ code: error.code, message: error.message }).toMatchObject({ code });
  for (const part of says) expect(error.message).toMatch(part);
  expect(error.message).not.toMatch(/\n/);
  expect(snapshotDirectory(container.directory)).toEqual(before);
  expect(container.isRunning).toBe(true);
}

const library = join(prefix, 'lib/libcriu.so.2');

test('a checkpoint is refused when the addon is missing', async () => {
  const LIBCRIU_ADDON = join(await scope.directory(), 'criu_native.node');
  const program = `
    import { version } from ${JSON.stringify(distIndex)};
    await version().catch(({ name, code }) => console.log(name, code));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, LIBCRIU_ADDON },
  });
  expect(stdout).toBe('CriuError ERR_CRIU_ADDON_NOT_FOUND\n');
});

test('a checkpoint is refused when criu is missing', async () => {
  const binary = join(await scope.directory(), 'criu');
  await isRefused(new Criu({ binary }), 'ERR_CRIU_NOT_FOUND', [binary]);
  const empty = await scope.directory();
  await isRefused(new Criu({ prefix: empty }), 'ERR_CRIU_NOT_FOUND', [empty]);
});

test('a checkpoint is refused when criu is a directory', async () => {
  const binary = await scope.directory();
  await isRefused(new Criu({ binary }), 'ERR_CRIU_NOT_FOUND', [binary]);
});

test('a checkpoint is refused when criu is not executable', async () => {
  const binary = join(await scope.directory(), 'criu');
  await copyFile(criuBinary, binary);
  await chmod(binary, 0o644);
  await isRefused(new Criu({ binary }), 'ERR_CRIU_PERMISSION', [binary, /execut/]);
});

test('a checkpoint is refused when criu is no program', async () => {
  const binary = join(await scope.directory(), 'criu');
  await writeFile(binary, 'neither ELF nor a script');
  await chmod(binary, 0o755);
  await isRefused(new Criu({ binary }), 'ERR_CRIU_FAILED', [/criu/]);
});

test('a checkpoint is refused when criu is a program that ends at once', async () => {
  const binary = join(await scope.directory(), 'criu');
  await writeFile(binary, '#!/bin/sh\necho "cannot open shared object" >&2\nexit 127\n');
  await chmod(binary, 0o755);
  await isRefused(new Criu({ binary }), 'ERR_CRIU_DIED', [/status 127/]);
});

test('a checkpoint is refused when criu is older than this kernel needs', async () => {
  const shown = /Version: (\d+\.\d+)/.exec(await runOk(oldCriu, ['--version']))?.[1] ?? '?';
  await isRefused(new Criu({ binary: oldCriu }), 'ERR_CRIU_TOO_OLD', [oldCriu, shown, '4.1']);
});

test('a checkpoint is refused when libcriu.so.2 is missing', async () => {
  const missing = join(await scope.directory(), 'libcriu.so.2');
  await isRefused(new Criu({ library: missing }), 'ERR_CRIU_LIBRARY_NOT_FOUND', [missing]);
  const half = await scope.directory();
  await mkdir(join(half, 'sbin'));
  await symlink(criuBinary, join(half, 'sbin/criu'));
  await isRefused(new Criu({ prefix: half }), 'ERR_CRIU_LIBRARY_NOT_FOUND', [
    half,
    /libcriu\.so\.2/,
  ]);
});

test('a checkpoint is refused when libcriu.so.2 is another library', async () => {
  const other = join(await scope.directory(), 'libcriu.so.2');
  await writeFile(join(other, '..', 'other.c'), 'int something_else(void) { return 0; }\n');
  await runOk('gcc', ['-shared', '-fPIC', '-o', other, join(other, '..', 'other.c')]);
  await isRefused(new Criu({ library: other }), 'ERR_CRIU_LIBRARY_NOT_FOUND', [other]);
});

test('a good criu works after the bad ones', async () => {
  const criu = new Criu({ binary: criuBinary, library });
  await checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath: container.path('good'),
    leaveRunning: true,
    criu,
  });
});

test('a user who is not root gets version and features, and a dump is refused in one sentence', async () => {
  const directory = await scope.directory();
  await chmod(directory, 0o777);
  const script = `
    import { dump, version } from ${JSON.stringify(distIndex)};
    const { major } = await version();
    const error = await dump(process.pid, { imagePath: ${JSON.stringify(join(directory, 'i'))} }).catch((e) => e);
    console.log(JSON.stringify({ major, code: error.code, message: error.message }));
  `;
  const { stdout, stderr, code } = await run(
    'setpriv',
    [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ],
    { cwd: '/' },
  );
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(JSON.parse(stdout)).toMatchObject({
    major: expect.any(Number) as number,
    code: 'ERR_CRIU_PERMISSION',
    message: expect.stringMatching(/root/) as string,
  });
  expect(await readdir(directory)).toEqual([]);
});
