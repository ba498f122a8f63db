import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { bytesOf } from '../../../lib/archive/bytes.js';
import { Count } from '../../../lib/archive/limits.js';
import { defaultLimits } from '../../../lib/archive/options.js';
import { removeFromRoot, unpackRoot } from '../../../lib/archive/unpack-root.js';
import { pax, type TarEntry, tar } from '../../helpers/archive/tar-bytes.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
let outside: string;
let root: string;
let fd: number;

// A root file system with links that lead out of it, and beside it a file that nobody may touch.
beforeEach(async () => {
  outside = await scope.directory();
  root = join(outside, 'rootfs');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'usr/lib'), { recursive: true });
  writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 });
  writeFileSync(join(root, 'etc/motd'), 'hello');
  symlinkSync('../..', join(root, 'etc/up'));
  symlinkSync(outside, join(root, 'out'));
  symlinkSync('usr/lib', join(root, 'lib'));
  symlinkSync('../secret', join(root, 'stolen'));
  fd = openSync(root, 'r');
  scope.defer(() => closeSync(fd));
});

async function unpack(...parts: readonly (Buffer | TarEntry)[]): Promise<void> {
  await unpackBytes(tar(...parts));
}

async function unpackBytes(archive: Buffer, isLayer = false): Promise<void> {
  await unpackRoot(fd, { bytes: bytesOf(archive), count: new Count(defaultLimits), isLayer });
}

/** Nothing outside of the root has changed. */
function expectUntouched(): void {
  expect(readdirSync(outside).sort()).toEqual(['rootfs', 'secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  expect(statSync(join(outside, 'secret')).mode & 0o777).toBe(0o600);
  expect(statSync(join(outside, 'secret')).nlink).toBe(1);
}

const at = (path: string): string => join(root, path);

describe('what a container has changed is put over its root file system:', () => {
  test('files, directories and links of both kinds', async () => {
    await unpack(
      { name: 'etc/', type: '5', mode: 0o700 },
      { name: 'etc/motd', content: 'changed', mode: 0o4755, mtime: 1_600_000_000 },
      { name: './new/deep/file', content: 'new' },
      { name: 'etc/link', type: '1', link: 'new/deep/file' },
      { name: 'etc/symlink', type: '2', link: '/etc/shadow', mtime: 1_600_000_000 },
    );
    expect(readFileSync(at('etc/motd'), 'utf8')).toBe('changed');
    expect(statSync(at('etc/motd')).mode & 0o7777).toBe(0o4755);
    expect(statSync(at('etc/motd')).mtimeMs).toBe(1_600_000_000_000);
    expect(statSync(at('etc')).mode & 0o777).toBe(0o700);
    expect(statSync(at('etc/link')).ino).toBe(statSync(at('new/deep/file')).ino);
    expect(readlinkSync(at('etc/symlink'))).toBe('/etc/shadow');
    expect(lstatSync(at('etc/symlink')).mtimeMs).toBe(1_600_000_000_000);
    expectUntouched();
  });

  test('a file in the place of a directory, and the other way round', async () => {
    await unpack(
      { name: 'usr', content: 'file' },
      { name: 'etc/motd/', type: '5' },
      { name: 'etc/motd/inner', content: 'x' },
      { name: 'lib/', type: '5' },
      { name: 'lib/real', content: 'y' },
    );
    expect(readFileSync(at('usr'), 'utf8')).toBe('file');
    expect(readFileSync(at('etc/motd/inner'), 'utf8')).toBe('x');
    expect(readFileSync(at('lib/real'), 'utf8')).toBe('y');
    expectUntouched();
  });

  test('a file in the place of a link, which is not written through', async () => {
    await unpack({ name: 'stolen', content: 'mine' }, { name: 'out', content: 'mine' });
    expect(readFileSync(at('stolen'), 'utf8')).toBe('mine');
    expect(lstatSync(at('out')).isFile()).toBe(true);
    expectUntouched();
  });

  test('names that are not UTF-8', async () => {
    const name = Buffer.from([0x65, 0x74, 0x63, 0x2f, 0xff, 0xfe]);
    await unpack({ name, content: 'x' });
    const path = Buffer.concat([Buffer.from(`${root}/`), name]);
    expect(readFileSync(path, 'utf8')).toBe('x');
    await unpack({ name, content: 'y' });
    expect(readFileSync(path, 'utf8')).toBe('y');
  });

  test('names longer than a header has room for', async () => {
    const path = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
    await unpack(pax({ path }), { name: 'short', content: 'x' });
    await unpack({ type: 'L', content: `${path}2\0` }, { name: 'short', content: 'y' });
    expect(readFileSync(at(path), 'utf8')).toBe('x');
    expect(readFileSync(at(`${path}2`), 'utf8')).toBe('y');
  });

  test('a directory that was the last one and is replaced', async () => {
    await unpack(
      { name: 'a/b/c', content: '1' },
      { name: 'a', content: 'now a file' },
      { name: 'a/', type: '5' },
      { name: 'a/b/c', content: '2' },
    );
    expect(readFileSync(at('a/b/c'), 'utf8')).toBe('2');
  });

  test('as a layer of an image, with what it removes', async () => {
    const layer = gzipSync(
      tar({ name: 'etc/.wh.motd' }, { name: '.wh.usr' }, { name: 'new', content: 'x' }),
    );
    await unpackBytes(layer, true);
    expect(existsSync(at('etc/motd'))).toBe(false);
    expect(existsSync(at('usr'))).toBe(false);
    expect(readdirSync(root).sort()).toEqual(['etc', 'lib', 'new', 'out', 'stolen']);
    expectUntouched();
  });

  test('the owner and mode of the root itself', async () => {
    await unpack({ name: './', type: '5', mode: 0o1777 });
    expect(statSync(root).mode & 0o7777).toBe(0o1777);
  });
});

const hostile: Readonly<Record<string, readonly [readonly (Buffer | TarEntry)[], RegExp]>> = {
  'an absolute path': [[{ name: '/etc/x' }], /absolute path/],
  'a path that leads outside': [[{ name: '../secret', content: 'x' }], /leads outside/],
  'a path through a link to the outside': [
    [{ name: 'out/secret', content: 'x' }],
    /leads through "out"/,
  ],
  'a path through a relative link': [
    [{ name: 'etc/up/secret', content: 'x' }],
    /leads through "up"/,
  ],
  'a path through a link of its own': [
    [
      { name: 'mine', type: '2', link: '../..' },
      { name: 'mine/secret', content: 'x' },
    ],
    /leads through "mine"/,
  ],
  'a directory through a link of its own': [
    [
      { name: 'mine', type: '2', link: '..' },
      { name: 'mine/new/', type: '5' },
    ],
    /leads through "mine"/,
  ],
  'a path through a link that replaces a directory that is open': [
    [
      { name: 'a/b', content: 'x' },
      { name: 'a', type: '2', link: '..' },
      { name: 'a/secret', content: 'x' },
    ],
    /leads through "a"/,
  ],
  'a path through a file': [[{ name: 'etc/motd/x' }], /leads through "motd"/],
  'a link to the outside': [[{ name: 'x', type: '1', link: '../secret' }], /leads outside/],
  'a link to an absolute path': [[{ name: 'x', type: '1', link: '/etc/passwd' }], /absolute path/],
  'a link through a link to the outside': [
    [{ name: 'x', type: '1', link: 'out/secret' }],
    /leads through "out"/,
  ],
  'a link to what is not there': [[{ name: 'x', type: '1', link: 'nowhere/at' }], /not there/],
  'a link to a file that is not there': [
    [{ name: 'x', type: '1', link: 'etc/nothing' }],
    /not there/,
  ],
  'a link to a directory': [[{ name: 'x', type: '1', link: 'etc' }], /link to a directory/],
  'a link to the root': [[{ name: 'x', type: '1', link: '.' }], /not there/],
  'a link to itself': [[{ name: 'etc/motd', type: '1', link: 'etc/motd' }], /not there/],
  'a symbolic link to nothing': [[{ name: 'x', type: '2', link: '' }], /symbolic link to nothing/],
  'a symbolic link with NUL': [
    [pax({ linkpath: 'a\0b' }), { name: 'x', type: '2', link: 'a' }],
    /symbolic link to nothing/,
  ],
  'a character device': [[{ name: 'dev/null', type: '3' }], /is a character device/],
  'a block device': [[{ name: 'dev/sda', type: '4' }], /is a block device/],
  'a name with NUL': [[pax({ path: 'a\0b' }), { name: 'x' }], /with a NUL/],
  'a name that is too long': [[pax({ path: 'a'.repeat(256) }), { name: 'x' }], /too long/],
  'a name of 200 directories': [
    [pax({ path: 'a/'.repeat(200) }), { name: 'x', type: '5' }],
    /too deep/,
  ],
};

describe('a root file system is left alone by an archive that has', () => {
  test.each(Object.entries(hostile))('%s', async (_what, [parts, why]) => {
    await expect(unpack(...parts)).rejects.toThrow(why);
    expectUntouched();
  });

  test.each(['.wh...', '.wh..', '.wh.', 'etc/.wh...', '.wh..wh..opq'])(
    'the removal %j in a layer',
    async (name) => {
      await expect(unpackBytes(tar({ name }), true)).rejects.toThrow(
        /leads outside|whole directory/,
      );
      expect(existsSync(at('etc/motd'))).toBe(true);
      expectUntouched();
    },
  );

  test('a removal through a link in a layer', async () => {
    await expect(unpackBytes(tar({ name: 'out/.wh.secret' }), true)).rejects.toThrow(
      /leads through/,
    );
    expectUntouched();
  });
});

describe('what a container has removed', () => {
  test('is removed', async () => {
    await removeFromRoot(fd, ['/etc/motd', '/usr', '/never/was', '/stolen', '/out']);
    expect(readdirSync(root).sort()).toEqual(['etc', 'lib']);
    expect(readdirSync(at('etc'))).toEqual(['up']);
    expectUntouched();
  });

  test.each([
    ['/', /is the root/],
    ['', /is the root/],
    ['/.', /is the root/],
    ['/etc/../..', /leads outside/],
    ['../secret', /leads outside/],
    ['/out/secret', /leads through/],
    ['/etc/up/secret', /leads through/],
  ])('is not removed by the path %j', async (path, why) => {
    await expect(removeFromRoot(fd, [path])).rejects.toThrow(why);
    expectUntouched();
  });
});
