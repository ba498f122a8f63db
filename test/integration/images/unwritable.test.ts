import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { CriuError, checkpoint } from '../../helpers/api.js';
import { dumpTo, images } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { mountTmpfs, remountReadOnly } from '../../helpers/system/mounts.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

describe('a file system that does not take the images', () => {
  test('because it is full fails the dump, the process goes on, no images stay, and a retry succeeds', async () => {
    const { pid } = await startWorkload(scope, ['memory', 16]);
    const small = await mountTmpfs(scope, 'size=2m');
    const imagePath = join(small, 'images');
    const error = await failureOf(dumpTo(pid, imagePath, { leaveRunning: false }));
    expect(error.code).toBe('ERR_CRIU_FAILED');
    expect(error.message).toMatch(/No space left|ENOSPC/);
    expect(isAlive(pid)).toBe(true);
    expect(readdirSync(imagePath)).toEqual(['dump.log']);
    await runOk('mount', ['-o', 'remount,size=64m', small]);
    await dumpTo(pid, imagePath);
    expect(images(imagePath)).toContain('inventory.img');
  });

  test('because it is full fails the checkpoint, and the container goes on thawed', async () => {
    const container = await startContainer(scope);
    const small = await mountTmpfs(scope, 'size=64k');
    const error = await failureOf(
      checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath: join(small, 'images'),
      }),
    );
    expect(error.message).not.toMatch(/\n/);
    expect(container.freezer).toBe('THAWED');
    expect(await container.status()).toBe('running');
    await container.countsOn();
    expect(images(join(small, 'images'))).toEqual([]);
  });

  test('because not even a file can be made is told with a CriuError, and the container goes on', async () => {
    const container = await startContainer(scope);
    const small = await mountTmpfs(scope, 'size=4k,nr_inodes=3');
    for (const name of ['one', 'two']) mkdirSync(join(small, name));
    const error = await failureOf(
      checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath: join(small, 'images'),
      }),
    );
    expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(error.message).toContain(join(small, 'images'));
    // A directory that is there, but no file can be made in it.
    const inOne = await failureOf(
      checkpoint(container.id, { stateRoot: container.stateRoot, imagePath: join(small, 'one') }),
    );
    expect(inOne.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(inOne.message).toContain(join(small, 'one'));
    expect(readdirSync(small).sort()).toEqual(['one', 'two']);
    expect(await container.status()).toBe('running');
    await container.countsOn();
  });

  test.each([{}, { existing: 'replace' as const }, { existing: 'reuse' as const }])(
    'because it is read-only is refused before anything is done, %j',
    async (options) => {
      const { pid } = await startWorkload(scope, ['idle']);
      const place = await mountTmpfs(scope, 'size=16m');
      await dumpTo(pid, join(place, 'there'));
      await remountReadOnly(place);
      const before = snapshotDirectory(place);
      const paths = [join(place, 'new'), ...('existing' in options ? [join(place, 'there')] : [])];
      for (const path of paths) {
        const error = await failureOf(dumpTo(pid, path, { ...options, leaveRunning: false }));
        expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
        expect(error.message).toMatch(/EROFS/);
        expect(error.message).toContain(path);
      }
      expect(snapshotDirectory(place)).toEqual(before);
      expect(isAlive(pid)).toBe(true);
    },
  );

  test('because the parent of the directory to replace is read-only is refused before anything is done', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const place = await mountTmpfs(scope, 'size=16m');
    const imagePath = join(place, 'images');
    await dumpTo(pid, imagePath);
    // The directory can be written to, the one that it is in cannot.
    await runOk('mount', ['--bind', imagePath, imagePath]);
    scope.defer(() => runOk('umount', ['-l', imagePath]));
    await remountReadOnly(place, 'remount,bind,ro');
    const before = snapshotDirectory(imagePath);
    await expect(
      dumpTo(pid, imagePath, { existing: 'replace', leaveRunning: false }),
    ).rejects.toBeInstanceOf(CriuError);
    expect(isAlive(pid)).toBe(true);
    expect(snapshotDirectory(imagePath)).toEqual(before);
  });
});
