import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import {
  dump,
  noise,
  restoreArguments,
  systemPath,
  tarFirst,
  treeSize,
  withOurs,
} from '../../helpers/tar.js';
import { describeTree, makeEveryKind, makeRandomTree } from '../../helpers/tar-trees.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'build'));

interface Extraction {
  code: number | null;
  stderr: string;
  tree: Map<string, object>;
}

interface Settings {
  path: string;
  env?: NodeJS.ProcessEnv;
  /** Mount options of the tmpfs. */
  options?: string;
  /** What is in it already. */
  prepare?: (directory: string) => void;
  /** The command line before tar's. */
  by?: readonly string[];
}

/** Extracts into a fresh tmpfs as CRIU does. */
async function extract(archive: Buffer, settings: Settings): Promise<Extraction> {
  const { path, env, options = treeSize, prepare, by = [] } = settings;
  const directory = await mountTmpfs(scope, options);
  prepare?.(directory);
  const image = join(await scope.directory(), 'image');
  writeFileSync(image, archive);
  const input = openSync(image, 'r');
  try {
    const [program = '', ...args] = [...by, 'tar', ...restoreArguments, directory];
    const { code, stderr } = await run(program, args, {
      env: { ...env, LC_ALL: 'C', PATH: path },
      stdio: [input, 'ignore', 'pipe'],
    });
    const told = stderr
      .replaceAll(directory, 'DIRECTORY')
      .replaceAll(/^.*in the future\n/gm, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    const tree = describeTree(directory);
    // What fails half-way has the time of the test.
    if (code !== 0) for (const [path, file] of tree) tree.set(path, { ...file, mtime: undefined });
    // tar and gzip write at the same time.
    return { code, stderr: told.sort().join(' '), tree };
  } finally {
    closeSync(input);
  }
}

/** Here is no other tar. */
const onlyOurs = tarFirst;

/** The archive of a tree, by GNU tar with gzip, or by ours. */
async function archiveOf(fill: (tree: string) => unknown, path: string): Promise<Buffer> {
  const tree = await mountTmpfs(scope, treeSize);
  await fill(tree);
  return (await dump(scope, path, tree)).file;
}

async function expectExtractedByUs(archive: Buffer): Promise<void> {
  const ours = await extract(archive, { path: onlyOurs });
  expect({ code: ours.code, stderr: ours.stderr }).toEqual({ code: 0, stderr: '' });
  expect(ours.tree).toEqual((await extract(archive, { path: systemPath })).tree);
}

/** What is not ours is left as it is, and GNU tar does with it what it does by itself. */
async function expectLeftToGnuTar(
  archive: Buffer,
  settings: Omit<Settings, 'path'> = {},
): Promise<Extraction> {
  const untouched = await extract(archive, { ...settings, path: onlyOurs });
  expect(untouched.code).toBe(2);
  expect(untouched.stderr).toMatch(/Cannot.* next /);
  const handedOn = await extract(archive, { ...settings, path: withOurs });
  const byGnuTar = await extract(archive, { ...settings, path: systemPath });
  expect(handedOn).toEqual(byGnuTar);
  return untouched;
}

const plainFiles = async (tree: string): Promise<void> => {
  await makeEveryKind(scope, tree);
  // Those with holes.
  await runOk('find', [tree, '-type', 'f', '-size', '+16k', '-delete']);
  await runOk('find', [tree, '-name', '*hole*', '-delete']);
};

describe('our tar makes the same files as GNU tar', () => {
  test.each([
    ['GNU tar', systemPath],
    ['our own', withOurs],
  ])('of an archive of %s with every kind of file', async (_, path) => {
    const archive = await archiveOf(plainFiles, path);
    await expectExtractedByUs(archive);
  });

  test.each([
    ['GNU tar', systemPath],
    ['our own', withOurs],
  ])('of an archive of %s of an empty tmpfs', async (_, path) => {
    await expectExtractedByUs(await archiveOf(() => undefined, path));
  });

  test('of random trees, unless they have holes', async () => {
    let count = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const archive = await archiveOf(async (tree) => {
        await makeRandomTree(tree, seed);
        if (seed % 3 !== 0) await runOk('find', [tree, '-type', 'f', '-size', '+100k', '-delete']);
      }, systemPath);
      const ours = await extract(archive, { path: onlyOurs });
      count += ours.code === 0 ? 1 : 0;
      const { tree } = await extract(archive, { path: systemPath });
      expect((await extract(archive, { path: withOurs })).tree).toEqual(tree);
      if (ours.code === 0) expect(ours.tree).toEqual(tree);
    }
    expect(count).toBeGreaterThan(0);
  });

  test('of what fills a buffer of theirs, to the byte', async () => {
    for (const size of [9216, 65_535, 131_072, 1_000_001]) {
      const fill = (tree: string): void => writeFileSync(join(tree, 'file'), noise(size, size));
      await expectExtractedByUs(await archiveOf(fill, withOurs));
    }
  });
});

/** One member, with whatever is unusual about it, and the end. */
function archiveWith(...headers: Buffer[]): Buffer {
  return gzipSync(Buffer.concat([...headers, Buffer.alloc(1024)]));
}

interface HeaderFields {
  type?: string;
  name?: string;
  target?: string;
  mode?: string;
  magic?: string;
  user?: string;
}

function header(fields: HeaderFields): Buffer {
  const { type = '0', name = './file', target = '', mode = '0000644', user = '' } = fields;
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(mode, 100);
  for (const at of [108, 116]) block.write('0000000', at);
  for (const at of [124, 136]) block.write('00000000000', at);
  block.write(type, 156);
  block.write(target, 157);
  block.write(fields.magic ?? 'ustar  ', 257);
  block.write(user, 265);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const top = header({ type: '5', name: './', mode: '0001777' });

describe('our tar leaves to GNU tar, before it makes anything,', () => {
  const small = (tree: string): void => writeFileSync(join(tree, 'file'), 'content');

  test('a sparse file', async () => {
    const archive = await archiveOf((tree) => makeEveryKind(scope, tree), withOurs);
    await expectLeftToGnuTar(archive);
  });

  test('what is large', async () => {
    const fill = (tree: string): void => writeFileSync(join(tree, 'zeros'), Buffer.alloc(5e6, 1));
    await expectLeftToGnuTar(await archiveOf(fill, withOurs));
  });

  test('a directory that is not empty', async () => {
    const { tree } = await expectLeftToGnuTar(await archiveOf(small, withOurs), {
      prepare: (directory) => writeFileSync(join(directory, 'file'), 'other'),
    });
    expect(tree.get('/file')).toMatchObject({ size: 5n });
  });

  test.each([
    ['the checksum of gzip', (file: Buffer): number => file.length - 8],
    ['the size in gzip', (file: Buffer): number => file.length - 4],
    ['what is stored', (): number => 600],
  ])('a file with a fault in %s', async (_, place) => {
    const archive = await archiveOf(small, withOurs);
    const at = place(archive);
    archive.writeUInt8(archive.readUInt8(at) ^ 1, at);
    await expectLeftToGnuTar(archive);
  });

  test('a file that ends early, or that something follows', async () => {
    const archive = await archiveOf(small, withOurs);
    await expectLeftToGnuTar(archive.subarray(0, -9));
    await expectLeftToGnuTar(Buffer.concat([archive, Buffer.from('more')]));
    await expectLeftToGnuTar(Buffer.concat([archive, archive]));
    await expectLeftToGnuTar(gzipSync(gunzipSync(archive).subarray(0, 1024)));
    await expectLeftToGnuTar(Buffer.alloc(0));
  });

  test.each<[string, HeaderFields[]]>([
    ['a name that leads out of the directory', [{ name: './../escaped' }]],
    ['an absolute name', [{ name: '/file' }]],
    ['a name in another form', [{ name: './/file' }]],
    ['a name without the directory', [{ name: 'file' }]],
    ['a hard link to what is elsewhere', [{ type: '1', target: '/etc/passwd' }]],
    ['a hard link to what is not there yet', [{ type: '1', target: './later' }]],
    ['a name twice', [{}, {}]],
    ['a file below a link', [{ type: '2', name: './a', target: '/' }, { name: './a/b' }]],
    ['a file below what is missing', [{ name: './a/b' }]],
    ["an owner's name", [{ user: 'nobody' }]],
    ['the format of POSIX', [{ magic: 'ustar\x0000' }]],
    ['another number of permissions', [{ mode: '0100644' }]],
    ['a number in another form', [{ mode: '   0644' }]],
    ['a type that CRIU does not write', [{ type: '7' }]],
  ])('an archive with %s', async (_, members) => {
    await expectLeftToGnuTar(archiveWith(top, ...members.map(header)));
  });

  test.each([['TAR_OPTIONS'], ['TAPE']])('what %s says', async (name) => {
    const value = name === 'TAPE' ? '-' : '--mtime=2001-01-01';
    await expectLeftToGnuTar(await archiveOf(small, withOurs), { env: { [name]: value } });
  });

  test('what is not for root', async () => {
    const by = ['/usr/bin/setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    await expectLeftToGnuTar(archiveWith(header({})), { by, options: 'mode=1777' });
  });
});

describe('our tar leaves nothing behind of what it cannot finish', () => {
  test('where there is no room', async () => {
    const fill = (tree: string): void => {
      writeFileSync(join(tree, 'large'), noise(900_000, 1));
      writeFileSync(join(tree, 'first'), 'x');
    };
    const archive = await archiveOf(fill, withOurs);
    const { tree } = await expectLeftToGnuTar(archive, { options: 'size=512k,mode=0751' });
    expect([...tree.keys()]).toEqual(['']);
  });

  test('where devices cannot be made', async () => {
    const fill = async (tree: string): Promise<void> => {
      await runOk('mkdir', [join(tree, 'directory')]);
      await runOk('mknod', [join(tree, 'null'), 'c', '1', '3']);
      writeFileSync(join(tree, 'file'), 'x');
    };
    const archive = await archiveOf(fill, withOurs);
    const by = ['/usr/bin/setpriv', '--bounding-set=-mknod'];
    const { tree } = await expectLeftToGnuTar(archive, { by });
    expect([...tree.keys()]).toEqual(['']);
  });
});
