import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, exportCheckpoint } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { isAlive } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';
import { startOnOverlay } from '../../helpers/workloads/overlay-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox'));

const names = async (archive: string): Promise<string[]> =>
  (await runOk('tar', ['--list', '--file', archive])).split('\n').filter(Boolean);

const member = (archive: string, name: string): Promise<string> =>
  runOk('tar', ['--extract', '--to-stdout', '--file', archive, name]);

const started = (): Promise<Container> => startOnOverlay(scope);

describe('an archive of a container of runc', () => {
  optionTest('export', 'has its images and what it has changed, and it ends', async () => {
    const container = await started();
    const { stateRoot, id, pid } = container;
    const directory = await scope.directory();
    const file = join(directory, 'web.tar');
    const result = await checkpoint(id, { stateRoot, export: file });
    expect(result).toMatchObject({ imagePath: file, logFile: '', warnings: [] });
    expect(isAlive(pid)).toBe(false);
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const all = await names(file);
    expect(all.slice(0, 4)).toEqual(['config.dump', 'spec.dump', 'status.dump', 'network.status']);
    expect(all).toContain('checkpoint/inventory.img');
    expect(all).toContain('checkpoint/descriptors.json');
    expect(all).toContain('rootfs-diff.tar');
    expect(all.filter((name) => /dump\.log|^\.\//.test(name))).toEqual([]);
    expect(JSON.parse(await member(file, 'config.dump'))).toMatchObject({
      name: id,
      runtime: 'runc',
      id: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(await member(file, 'spec.dump')).toBe(
      readFileSync(join(container.bundle, 'config.json'), 'utf8'),
    );
    expect(await member(file, 'network.status')).toBe('null');
  });

  test('leaves it running, with the images where they were asked for', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const imagePath = container.path('images');
    const file = container.path('web.tar.gz');
    const result = await checkpoint(id, { stateRoot, imagePath, export: file, leaveRunning: true });
    expect(result).toMatchObject({ imagePath, logFile: join(imagePath, 'dump.log'), warnings: [] });
    expect(existsSync(join(imagePath, 'inventory.img'))).toBe(true);
    expect(readFileSync(file).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    expect(await names(file)).toContain('stats-dump');
    await container.countsOn();
  });

  optionTest(['compression', 'ignoreRootfs'], 'decide on what is in it', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const file = container.path('web');
    await checkpoint(id, {
      stateRoot,
      export: file,
      compression: 'none',
      ignoreRootfs: true,
      leaveRunning: true,
    });
    const all = await names(file);
    expect(all).toContain('checkpoint/inventory.img');
    expect(all).not.toContain('rootfs-diff.tar');
    expect(readFileSync(file).subarray(0, 11).toString()).toBe('config.dump');
  });

  test('whose root file system is no overlay tells what is not in it', async () => {
    const container = await startContainer(scope);
    const { stateRoot, id } = container;
    const file = container.path('web.tar');
    const { warnings } = await checkpoint(id, { stateRoot, export: file, leaveRunning: true });
    expect(warnings).toEqual([
      'What the container has changed in its files is not in the archive: its root file system is no overlay',
    ]);
  });

  test('goes to a stream, and to the standard output of the command', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const parts: Buffer[] = [];
    const stream = new Writable({
      write(part: Buffer, _encoding, done) {
        parts.push(part);
        done();
      },
    });
    const result = await checkpoint(id, {
      stateRoot,
      export: stream,
      compression: 'none',
      leaveRunning: true,
    });
    expect(result.imagePath).toBe('');
    expect(stream.writableFinished).toBe(true);
    const file = container.path('from-stream.tar');
    writeFileSync(file, Buffer.concat(parts));
    expect(await names(file)).toContain('rootfs-diff.tar');
    const other = container.path('from-command.tar');
    const words = ['--root', stateRoot, 'checkpoint', '--leave-running', '--compression', 'none'];
    const script = `"$@" >${other}`;
    const command = [process.execPath, distCli, ...words, '--export', '-', id];
    await runOk('sh', ['-c', script, 'sh', ...command]);
    expect(await names(other)).toContain('checkpoint/inventory.img');
    await container.countsOn();
  });
});

test('archives leave no process and no descriptor behind', async () => {
  const container = await started();
  const { stateRoot, id } = container;
  const archived = async (name: string): Promise<unknown> =>
    checkpoint(id, { stateRoot, export: container.path(name), leaveRunning: true });
  await archived('warm-up.tar');
  const before = await settledHoldings([container.pid], hasSpare);
  for (let round = 0; round < 5; round += 1) {
    await archived(`${round}.tar`);
    await expect(archived(`${round}.tar`)).rejects.toMatchObject({ code: 'ERR_ARCHIVE_WRITE' });
    await expect(archived('no/where.tar')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  }
  const members = readFileSync(join(container.freezerPath, 'cgroup.procs'), 'utf8');
  await assertNoLeak(before, members.trim().split('\n').map(Number));
});

describe('the container runs on, and nothing is left of its archive', () => {
  /** A directory of limited size, with the container's archive to go into. */
  async function expectNothing(directory: string, container: Container): Promise<void> {
    expect(readdirSync(directory).filter((name) => name.includes('web'))).toEqual([]);
    expect(container.freezer).toBe('THAWED');
    await container.countsOn();
  }

  test.each([false, true])('on a full disk, leaveRunning: %s', async (leaveRunning) => {
    const container = await started();
    const { stateRoot, id } = container;
    const directory = await mountTmpfs(scope, 'size=4m,mode=755');
    writeFileSync(join(directory, 'other'), Buffer.alloc(4_130_000));
    // The images have a place of their own; it is the archive that does not fit.
    const running = checkpoint(id, {
      stateRoot,
      imagePath: container.path('images'),
      export: join(directory, 'web.tar'),
      leaveRunning,
    });
    await expect(running).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
      operation: 'checkpoint',
      message: expect.stringContaining('no space is left') as string,
    });
    await expectNothing(directory, container);
  });

  test('on a disk that is full with the images', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const directory = await mountTmpfs(scope, 'size=64k,mode=755');
    const running = checkpoint(id, { stateRoot, export: join(directory, 'web.tar') });
    await expect(running).rejects.toMatchObject({ operation: 'checkpoint' });
    await expectNothing(directory, container);
  });

  test.each([false, true])('when its reader stops, leaveRunning: %s', async (leaveRunning) => {
    const container = await started();
    const { stateRoot, id } = container;
    const stream = new Writable({
      write(_part, _encoding, done) {
        done(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }));
      },
    });
    const running = checkpoint(id, { stateRoot, export: stream, leaveRunning });
    await expect(running).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
      message: 'Cannot write the stream: its reader has stopped reading',
    });
    await expectNothing('/var/tmp', container);
  });

  test.each([false, true])(
    'when its reader does not read, and time is over, leaveRunning: %s',
    async (leaveRunning) => {
      const container = await started();
      const { stateRoot, id } = container;
      const stream = new Writable({ highWaterMark: 1, write: () => {} });
      const options = { stateRoot, export: stream, compression: 'none', timeoutMs: 3_000 } as const;
      const running = checkpoint(id, { ...options, leaveRunning });
      await expect(running).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT' });
      expect(stream.destroyed).toBe(true);
      await expectNothing('/var/tmp', container);
    },
  );

  test('when there is a file of that name', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const directory = await scope.directory();
    const file = join(directory, 'web.tar');
    writeFileSync(file, 'old');
    await expect(checkpoint(id, { stateRoot, export: file })).rejects.toMatchObject({
      code: 'ERR_ARCHIVE_WRITE',
    });
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(readFileSync(file, 'utf8')).toBe('old');
    await container.countsOn();
    const cli = ['--root', stateRoot, 'checkpoint', '--leave-running', '--export', file, id];
    expect(await run(process.execPath, [distCli, ...cli])).toMatchObject({ code: 0 });
    expect(readdirSync(directory)).toEqual(['web.tar']);
    expect(await names(file)).toContain('config.dump');
  });

  test('when a hook vetoes', async () => {
    const container = await started();
    const { stateRoot, id } = container;
    const directory = await scope.directory();
    const hooks = {
      postDump: () => {
        throw new Error('not now');
      },
    };
    const running = checkpoint(id, { stateRoot, export: join(directory, 'web.tar'), hooks });
    await expect(running).rejects.toMatchObject({ code: 'ERR_CRIU_VETOED', logFile: undefined });
    await expectNothing(directory, container);
  });
});

describe('exportCheckpoint', () => {
  test('makes an archive of images, of a container that is there or has a bundle', async () => {
    const container = await started();
    const { stateRoot, id, bundle } = container;
    const imagePath = container.path('images');
    await checkpoint(id, { stateRoot, imagePath, leaveRunning: true });
    const file = container.path('a.tar');
    const { archive, warnings } = await exportCheckpoint(imagePath, file);
    expect(archive).toBe(file);
    expect(warnings).toEqual(['What the container has changed in its files is not in the archive']);
    expect(await names(file)).toContain('checkpoint/inventory.img');
    const last = container.path('last');
    await checkpoint(id, { stateRoot, imagePath: last });
    await expect(exportCheckpoint(last, container.path('b.tar'))).rejects.toMatchObject({
      code: 'ERR_CONTAINER_NOT_FOUND',
      message: expect.stringContaining('give bundle') as string,
    });
    const words = ['export', '--bundle', bundle, '--name', 'web', '--image', 'box:1'];
    const other = container.path('b.tar.gz');
    const told = await run(process.execPath, [distCli, ...words, last, other]);
    expect(told.code).toBe(0);
    expect(told.stderr).toContain('is not in the archive');
    expect(JSON.parse(await member(other, 'config.dump'))).toMatchObject({
      name: 'web',
      rootfsImageName: 'box:1',
    });
  });

  test('refuses what are no images, and arguments that it does not have', async () => {
    const directory = await scope.directory();
    const file = join(directory, 'a.tar');
    await expect(exportCheckpoint(directory, file)).rejects.toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
      operation: 'exportCheckpoint',
    });
    await expect(exportCheckpoint(directory, 7 as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      option: 'to',
    });
    await expect(exportCheckpoint(directory, file, { level: 1 } as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(readdirSync(directory)).toEqual([]);
  });
});
