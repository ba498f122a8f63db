import { linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import {
  type Archive,
  dump,
  noise,
  restore,
  systemPath,
  treeSize,
  withOurs,
} from '../../helpers/tar.js';
import { describeTree, makeEveryKind, makeRandomTree } from '../../helpers/tar-trees.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'build'));

function expectSameArchive(ours: Archive, reference: Archive): void {
  expect({ code: ours.code, stderr: ours.stderr }).toEqual({
    code: reference.code,
    stderr: reference.stderr,
  });
  const [unpacked, expected] = [gunzipSync(ours.file), gunzipSync(reference.file)];
  const difference = unpacked.findIndex((byte, index) => byte !== expected[index]);
  expect({ size: unpacked.length, difference }).toEqual({ size: expected.length, difference: -1 });
}

describe('the archives of our tar', () => {
  test('are those of GNU tar, byte for byte, for every kind of file', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    await makeEveryKind(scope, tree);
    await runOk('mkfifo', [join(tree, 'pipe')]);
    linkSync(join(tree, 'pipe'), join(tree, 'pipe with two names'));
    const ours = await dump(scope, withOurs, tree);
    expect(ours.stderr).toBe('tar: ./socket: socket ignored\n');
    expectSameArchive(ours, await dump(scope, systemPath, tree));
  });

  test('restore to the same tree with the command of CRIU', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    await makeEveryKind(scope, tree);
    const before = describeTree(tree);
    expect(before.size).toBeGreaterThan(350);
    const { file } = await dump(scope, withOurs, tree);
    expect(describeTree(await restore(scope, file))).toEqual(before);
    expect(describeTree(await restore(scope, file, { path: withOurs }))).toEqual(before);
  });

  test('are one record for an empty tmpfs', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    const ours = await dump(scope, withOurs, tree);
    expectSameArchive(ours, await dump(scope, systemPath, tree));
    expect(gunzipSync(ours.file)).toHaveLength(10_240);
  });

  test('are compressed when they are large', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    writeFileSync(join(tree, 'zeros'), Buffer.alloc(3_000_000));
    writeFileSync(join(tree, 'noise'), noise(1_000_001, 2));
    writeFileSync(join(tree, 'text'), 'so say we all\n'.repeat(100_000));
    const ours = await dump(scope, withOurs, tree);
    expectSameArchive(ours, await dump(scope, systemPath, tree));
    expect(ours.file.length).toBeLessThan(1_200_000);
    expect(describeTree(await restore(scope, ours.file))).toEqual(describeTree(tree));
  });

  test('are stored as they are where there is no zlib', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    writeFileSync(join(tree, 'zeros'), Buffer.alloc(300_000));
    writeFileSync(join(tree, 'noise'), noise(500_001, 3));
    const libraries = await scope.directory();
    writeFileSync(join(libraries, 'libz.so.1'), 'not a library');
    const ours = await dump(scope, withOurs, tree, { env: { LD_LIBRARY_PATH: libraries } });
    expectSameArchive(ours, await dump(scope, systemPath, tree));
    expect(ours.file.length).toBeGreaterThan(800_000);
    expect(describeTree(await restore(scope, ours.file))).toEqual(describeTree(tree));
  });

  // Around the buffer, the blocks of the stored format and tar's records.
  test.each([9215, 9216, 9217, 65_535, 131_071, 131_072, 131_073])(
    'are those of GNU tar for a file of %i bytes',
    async (size) => {
      const tree = await mountTmpfs(scope, treeSize);
      writeFileSync(join(tree, 'file'), noise(size, size));
      expectSameArchive(await dump(scope, withOurs, tree), await dump(scope, systemPath, tree));
    },
  );

  test('are those of GNU tar for 100,000 files', async () => {
    const tree = await mountTmpfs(scope, 'size=1g,nr_inodes=200000');
    for (let directory = 0; directory < 100; directory++) {
      const path = join(tree, String(directory));
      mkdirSync(path);
      for (let file = 0; file < 1000; file++) writeFileSync(join(path, String(file)), `${file}`);
    }
    expectSameArchive(await dump(scope, withOurs, tree), await dump(scope, systemPath, tree));
  });

  test('end at another file system', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    mkdirSync(join(tree, 'inner'));
    await runOk('mount', ['-t', 'tmpfs', 'tmpfs', join(tree, 'inner')]);
    scope.defer(() => runOk('umount', [join(tree, 'inner')]));
    writeFileSync(join(tree, 'inner/file'), 'not ours');
    const ours = await dump(scope, withOurs, tree);
    expectSameArchive(ours, await dump(scope, systemPath, tree));
    expect(gunzipSync(ours.file).includes('inner/file')).toBe(false);
  });

  test('tell of names outside the tree that a file has', async () => {
    const top = await mountTmpfs(scope, treeSize);
    mkdirSync(join(top, 'tree'));
    writeFileSync(join(top, 'outside'), 'two names');
    linkSync(join(top, 'outside'), join(top, 'tree/inside'));
    const ours = await dump(scope, withOurs, join(top, 'tree'));
    expect(ours).toMatchObject({ code: 0, stderr: 'tar: Missing links to: ./inside\n' });
    const reference = await dump(scope, systemPath, join(top, 'tree'));
    expect(gunzipSync(ours.file).equals(gunzipSync(reference.file))).toBe(true);
  });

  test('do not hold themselves', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    writeFileSync(join(tree, 'file'), 'content');
    const ours = await dump(scope, withOurs, tree, { output: join(tree, 'image') });
    expect(ours.code).toBe(0);
    expect(ours.stderr).toBe('tar: ./image: file is the archive; not dumped\n');
    expect(readdirSync(await restore(scope, ours.file))).toEqual(['file']);
  });
});

test('random trees give the archives of GNU tar with our tar', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const tree = await mountTmpfs(scope, treeSize);
    await makeRandomTree(tree, seed);
    const [ours, reference] = [
      await dump(scope, withOurs, tree),
      await dump(scope, systemPath, tree),
    ];
    expect({ seed, code: ours.code }).toEqual({ seed, code: 0 });
    expectSameArchive(ours, reference);
  }
});
