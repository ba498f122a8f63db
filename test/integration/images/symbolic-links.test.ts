import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { lchown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint, type DumpOptions, dump } from '../../helpers/api.js';
import { dumpTo, images, startBoth } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const criu = new Criu();

describe('symbolic links in imagePath', () => {
  test('are followed when they are our own', async () => {
    const { good, directory } = await startBoth(scope);
    await mkdir(join(directory, 'target'));
    await symlink('target', join(directory, 'link'));
    const { imagePath } = await dumpTo(good, join(directory, 'link'));
    expect(imagePath).toBe(join(directory, 'link'));
    expect(images(join(directory, 'target'))).toContain('inventory.img');
    // As a parent, too.
    await dumpTo(good, join(directory, 'link/below'));
    expect(images(join(directory, 'target/below'))).toContain('inventory.img');
  });

  test.each(['imagePath', 'workPath'])(
    'are refused as %s when they lead nowhere',
    async (option) => {
      const { good, directory } = await startBoth(scope);
      await symlink('nowhere', join(directory, 'link'));
      const before = snapshotDirectory(directory);
      const given = { imagePath: join(directory, 'images'), [option]: join(directory, 'link') };
      await expect(
        dump(good, { criu, leaveRunning: true, ...given } as DumpOptions),
      ).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining(option) as string,
      });
      expect(snapshotDirectory(directory)).toEqual(before);
    },
  );

  test.each(['', 'below'])(
    'are refused when they are of another user, path below them: "%s"',
    async (below) => {
      const { good, directory } = await startBoth(scope);
      const target = await scope.directory();
      await symlink(target, join(directory, 'planted'));
      await lchown(join(directory, 'planted'), 65_534, 65_534);
      await expect(dumpTo(good, join(directory, 'planted', below))).rejects.toMatchObject({
        code: 'ERR_UNTRUSTED_PATH',
        message: expect.stringMatching(/symbolic link .* owned by user 65534/) as string,
      });
      // Nor when one of our own leads there.
      await symlink('planted', join(directory, 'ours'));
      await expect(dumpTo(good, join(directory, 'ours', below))).rejects.toMatchObject({
        code: 'ERR_UNTRUSTED_PATH',
      });
      expect(readdirSync(target)).toEqual([]);
    },
  );

  test('are not written through among the files of a re-used directory', async () => {
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const imagePath = container.path('images');
    const victim = container.path('victim');
    await writeFile(victim, 'precious');
    await mkdir(imagePath);
    await symlink(victim, join(imagePath, 'descriptors.json'));
    await checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath,
      leaveRunning: true,
      existing: 'reuse',
    });
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(join(imagePath, 'descriptors.json')).isFile()).toBe(true);
  });
});
