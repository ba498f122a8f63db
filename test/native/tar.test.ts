import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { lchown } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { type Scope, useScope } from '../helpers/scope.js';
import { type Outcome, run, runOk } from '../helpers/system/exec.js';

const tarFirst = resolve(projectRoot, 'build/Release/tar-first');
const systemPath = process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin';
const withOurs = `${tarFirst}:${systemPath}`;

// What CRIU starts in its tmpfs_dump() and tmpfs_restore().
const dumpArguments = [
  '--create',
  '--gzip',
  '--no-unquote',
  '--no-wildcards',
  '--one-file-system',
  '--check-links',
  '--preserve-permissions',
  '--sparse',
  '--numeric-owner',
  '--directory',
  '/proc/self/fd/0',
  '.',
];
const restoreArguments = ['--extract', '--gzip', '--no-unquote', '--no-wildcards', '--directory'];

const scope = useScope();

beforeAll(() => requireNeeds('root', 'build'));

async function tmpfs(on: Scope, options = 'size=512m'): Promise<string> {
  const directory = await on.directory();
  await runOk('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  on.defer(() => runOk('umount', ['--lazy', directory]));
  return directory;
}

interface Archive {
  code: number | null;
  stderr: string;
  /** As it was written. */
  file: Buffer;
}

interface DumpSettings {
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** The archive; a file outside the tree by default. */
  output?: string;
}

/** Starts tar as CRIU does: the file system is its standard input, the image its output. */
async function dump(path: string, tree: string, settings: DumpSettings = {}): Promise<Archive> {
  const output = settings.output ?? join(await scope.directory(), 'image');
  const input = openSync(tree, 'r');
  const image = openSync(output, 'w');
  try {
    const { code, stderr } = await run('tar', settings.args ?? dumpArguments, {
      env: { ...settings.env, LC_ALL: 'C', PATH: path },
      stdio: [input, image, 'pipe'],
    });
    return { code, stderr, file: readFileSync(output) };
  } finally {
    closeSync(input);
    closeSync(image);
  }
}

async function restore(archive: Buffer, settings: { path?: string } = {}): Promise<string> {
  const directory = await tmpfs(scope);
  const image = join(await scope.directory(), 'image');
  writeFileSync(image, archive);
  const input = openSync(image, 'r');
  try {
    const outcome: Outcome = await run('tar', [...restoreArguments, directory], {
      env: { LC_ALL: 'C', PATH: settings.path ?? systemPath },
      stdio: [input, 'pipe', 'pipe'],
    });
    const complaints = outcome.stderr.split('\n').filter((line) => !/in the future$|^$/.test(line));
    expect({ code: outcome.code, complaints }).toEqual({ code: 0, complaints: [] });
  } finally {
    closeSync(input);
  }
  return directory;
}

/** Everything that GNU tar keeps of a tree, by path; names as Latin-1, so that bytes survive. */
function describeTree(top: string): Map<string, object> {
  const described = new Map<string, object>();
  const firstNames = new Map<bigint, string>();
  const visit = (path: Buffer): void => {
    const status = lstatSync(path, { bigint: true });
    if (status.isSocket()) return;
    const name = path.toString('latin1').slice(top.length);
    const first = firstNames.get(status.ino) ?? name;
    firstNames.set(status.ino, first);
    described.set(name, {
      mode: status.mode.toString(8),
      owner: `${status.uid}:${status.gid}`,
      // GNU tar's default format keeps whole seconds.
      mtime: status.mtimeNs / 1_000_000_000n - (status.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n),
      device: status.rdev,
      sameAs: first,
      ...(status.isDirectory() ? {} : { links: status.nlink, size: status.size }),
      ...(status.isSymbolicLink() ? { target: readlinkSync(path, 'latin1') } : {}),
      ...(status.isFile() ? { blocks: status.blocks, hash: contentHash(path, status.size) } : {}),
    });
    if (!status.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'buffer' })) {
      visit(Buffer.concat([path, Buffer.from('/'), child]));
    }
  };
  visit(Buffer.from(top));
  return described;
}

/** Of the first 64 MiB: the tests' larger files are holes from there on. */
function contentHash(path: Buffer, size: bigint): string {
  const hash = createHash('sha256');
  if (size <= 64n * 1024n * 1024n) hash.update(readFileSync(path));
  return hash.digest('hex');
}

/** A file with data only at the given offsets. */
function writeSparse(path: string | Buffer, size: number, data: Record<number, string>): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [offset, bytes] of Object.entries(data)) writeSync(fd, bytes, Number(offset));
  closeSync(fd);
}

/** Pseudo-random, so that a failure can be repeated, and nothing that gzip could make smaller. */
function noise(size: number, seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++) {
    blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, size);
}

/** One of every kind that a tmpfs can hold, and the limits of tar's fields. */
async function makeEveryKind(top: string): Promise<void> {
  const at = (name: string): string => join(top, name);
  writeFileSync(at('empty'), '');
  writeFileSync(at('small'), 'content\n');
  writeFileSync(at('block'), noise(512, 1));
  writeFileSync(at('setuid'), '#!/bin/sh\n');
  await lchown(at('setuid'), 3_000_000_000, 2_097_152);
  chmodSync(at('setuid'), 0o6755);
  mkdirSync(at('empty directory'));
  mkdirSync(at('sticky'));
  await lchown(at('sticky'), 65_534, 2_097_151);
  chmodSync(at('sticky'), 0o1777);
  writeFileSync(at('sticky/private'), 'x');
  chmodSync(at('sticky/private'), 0);
  mkdirSync(at(Array.from({ length: 300 }, (_, depth) => depth % 10).join('/')), {
    recursive: true,
  });
  symlinkSync('small', at('symlink'));
  symlinkSync('/nowhere/at all', at('dangling'));
  symlinkSync('t'.repeat(4000), at('long target'));
  await lchown(at('symlink'), 12, 34);
  linkSync(at('small'), at('hard link'));
  linkSync(at('symlink'), at('symlink with two names'));
  for (const length of [95, 96, 97, 98, 99, 100, 101, 102, 255]) {
    writeFileSync(at('n'.repeat(length)), `${length}`);
    mkdirSync(at('d'.repeat(length)));
    symlinkSync('l'.repeat(length), at('s'.repeat(length)));
  }
  linkSync(at('n'.repeat(255)), at('m'.repeat(255)));
  for (const name of ['\xff\xfe', '\x01\n\t\\n "\'', '-rf', '*?[a]', ' ']) {
    writeFileSync(Buffer.from(`${top}/${name}`, 'latin1'), 'odd');
  }
  await runOk('mkfifo', ['-m', '0620', at('fifo')]);
  await runOk('mknod', [at('null'), 'c', '1', '3']);
  await runOk('mknod', ['-m', '0600', at('loop'), 'b', '7', '300000']);
  const server = createServer().listen(at('socket'));
  await new Promise((listening) => server.once('listening', listening));
  scope.defer(() => new Promise((closed) => server.close(closed)));

  writeSparse(at('only a hole'), 1 << 20, {});
  writeSparse(at('ends in a hole'), 100_000, { 0: 'a' });
  writeSparse(at('begins with a hole'), 50_001, { 50000: 'z' });
  writeSparse(at('ten GiB'), 10 * 2 ** 30, { 12288: 'a'.repeat(5000), [9 * 2 ** 30]: 'z' });
  for (const extents of [3, 4, 5, 24, 25, 26, 60]) {
    const places = Array.from({ length: extents }, (_, i) => [i * 8192, 'q'] as const);
    writeSparse(at(`${extents} extents`), extents * 8192, Object.fromEntries(places));
  }
  lutimesSync(at('empty'), 0, 0);
  lutimesSync(at('block'), 1, -5.5);
  lutimesSync(at('symlink'), 1, 1_234_567_890.75);
  lutimesSync(at('sticky/private'), 1, 2 ** 34);
  lutimesSync(at('sticky'), 1, 1_000_000_000);
}

function expectSameArchive(ours: Archive, reference: Archive): void {
  expect({ code: ours.code, stderr: ours.stderr }).toEqual({
    code: reference.code,
    stderr: reference.stderr,
  });
  const [unpacked, expected] = [gunzipSync(ours.file), gunzipSync(reference.file)];
  const difference = unpacked.findIndex((byte, index) => byte !== expected[index]);
  expect({ size: unpacked.length, difference }).toEqual({ size: expected.length, difference: -1 });
}

/** GNU tar's gzip names its operating system; what we store names none. */
const byUs = (file: Buffer): boolean => file[9] === 0xff;

describe('archives', () => {
  test('are those of GNU tar, byte for byte, for every kind of file', async () => {
    const tree = await tmpfs(scope);
    await makeEveryKind(tree);
    await runOk('mkfifo', [join(tree, 'pipe')]);
    linkSync(join(tree, 'pipe'), join(tree, 'pipe with two names'));
    const ours = await dump(withOurs, tree);
    expect(ours.stderr).toBe('tar: ./socket: socket ignored\n');
    expectSameArchive(ours, await dump(systemPath, tree));
  });

  test('restore to the same tree with CRIU’s command', async () => {
    const tree = await tmpfs(scope);
    await makeEveryKind(tree);
    const before = describeTree(tree);
    expect(before.size).toBeGreaterThan(350);
    const { file } = await dump(withOurs, tree);
    expect(describeTree(await restore(file))).toEqual(before);
    expect(describeTree(await restore(file, { path: withOurs }))).toEqual(before);
  });

  test('of an empty tmpfs are one record', async () => {
    const tree = await tmpfs(scope);
    const ours = await dump(withOurs, tree);
    expectSameArchive(ours, await dump(systemPath, tree));
    expect(gunzipSync(ours.file)).toHaveLength(10_240);
  });

  test('are compressed when they are large', async () => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'zeros'), Buffer.alloc(3_000_000));
    writeFileSync(join(tree, 'noise'), noise(1_000_001, 2));
    writeFileSync(join(tree, 'text'), 'so say we all\n'.repeat(100_000));
    const ours = await dump(withOurs, tree);
    expectSameArchive(ours, await dump(systemPath, tree));
    expect(ours.file.length).toBeLessThan(1_200_000);
    expect(describeTree(await restore(ours.file))).toEqual(describeTree(tree));
  });

  test('are stored as they are where there is no zlib', async () => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'zeros'), Buffer.alloc(300_000));
    writeFileSync(join(tree, 'noise'), noise(500_001, 3));
    const libraries = await scope.directory();
    writeFileSync(join(libraries, 'libz.so.1'), 'not a library');
    const ours = await dump(withOurs, tree, { env: { LD_LIBRARY_PATH: libraries } });
    expectSameArchive(ours, await dump(systemPath, tree));
    expect(ours.file.length).toBeGreaterThan(800_000);
    expect(describeTree(await restore(ours.file))).toEqual(describeTree(tree));
  });

  // Around the buffer, the blocks of the stored format and tar's records.
  test.each([9215, 9216, 9217, 65_535, 131_071, 131_072, 131_073])('of %i bytes', async (size) => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'file'), noise(size, size));
    expectSameArchive(await dump(withOurs, tree), await dump(systemPath, tree));
  });

  test('end at another file system', async () => {
    const tree = await tmpfs(scope);
    mkdirSync(join(tree, 'inner'));
    await runOk('mount', ['-t', 'tmpfs', 'tmpfs', join(tree, 'inner')]);
    scope.defer(() => runOk('umount', [join(tree, 'inner')]));
    writeFileSync(join(tree, 'inner/file'), 'not ours');
    const ours = await dump(withOurs, tree);
    expectSameArchive(ours, await dump(systemPath, tree));
    expect(gunzipSync(ours.file).includes('inner/file')).toBe(false);
  });

  test('tell of names outside the tree that a file has', async () => {
    const top = await tmpfs(scope);
    mkdirSync(join(top, 'tree'));
    writeFileSync(join(top, 'outside'), 'two names');
    linkSync(join(top, 'outside'), join(top, 'tree/inside'));
    const ours = await dump(withOurs, join(top, 'tree'));
    expect(ours).toMatchObject({ code: 0, stderr: 'tar: Missing links to: ./inside\n' });
    const reference = await dump(systemPath, join(top, 'tree'));
    expect(gunzipSync(ours.file).equals(gunzipSync(reference.file))).toBe(true);
  });

  test('do not hold themselves', async () => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'file'), 'content');
    const ours = await dump(withOurs, tree, { output: join(tree, 'image') });
    expect(ours.code).toBe(0);
    expect(ours.stderr).toBe('tar: ./image: file is the archive; not dumped\n');
    expect(readdirSync(await restore(ours.file))).toEqual(['file']);
  });
});

test('random trees give the archives of GNU tar', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const tree = await tmpfs(scope);
    await makeRandomTree(tree, seed);
    const [ours, reference] = [await dump(withOurs, tree), await dump(systemPath, tree)];
    expect({ seed, code: ours.code }).toEqual({ seed, code: 0 });
    expectSameArchive(ours, reference);
  }
});

async function makeRandomTree(top: string, seed: number): Promise<void> {
  let drawn = 0;
  const below = (limit: number): number =>
    Number(BigInt(`0x${noise(8, seed * 100_000 + drawn++).toString('hex')}`) % BigInt(limit));
  const oneOf = <T>(...values: T[]): T => values[below(values.length)] as T;
  const bytes = (length: number): Buffer =>
    Buffer.from(
      noise(length, seed * 100_000 + drawn++).map((byte) =>
        byte === 0 || byte === 47 ? 65 : byte,
      ),
    );
  const directories = [Buffer.from(top)];
  const links: Buffer[] = [];
  for (let i = 0; i < 60; i++) {
    const name = bytes(oneOf(4, 20, 95, 96, 97, 98, 99, 100, 101, 150, 255));
    const path = Buffer.concat([oneOf(...directories), Buffer.from('/'), name]);
    const kind = below(10);
    if (kind < 2) {
      if (path.length > 3000) continue;
      mkdirSync(path);
      directories.push(path);
    } else if (kind < 4) {
      symlinkSync(bytes(oneOf(1, 50, 99, 100, 101, 1000, 4095)), path);
    } else if (kind < 6 && links.length > 0) {
      linkSync(oneOf(...links), path);
      continue;
    } else if (kind < 8) {
      const places = Array.from({ length: below(40) }, () => [
        below(500_000),
        'd'.repeat(below(9000)),
      ]);
      writeSparse(path, oneOf(0, 1, 4096, 600_000, 2 ** 33, 2 ** 35), Object.fromEntries(places));
    } else {
      writeFileSync(path, noise(oneOf(0, 1, 511, 512, 513, 4096, 10_240, 70_000), i));
    }
    if (kind >= 2) links.push(path);
    await lchown(path, below(2 ** 32 - 1), oneOf(0, 2_097_151, 2_097_152));
    if (!lstatSync(path).isSymbolicLink()) chmodSync(path, below(0o10000));
    lutimesSync(path, 0, oneOf(-1.5, 0, 1_700_000_000.123, 2 ** 33 - 1, 2 ** 33));
  }
}

describe('failures', () => {
  test('files that change, shrink or go away meanwhile give exit status 1', async () => {
    const tree = await tmpfs(scope);
    // A tmpfs lists the newest first, so the large file is read, and holds us up, before the others.
    writeFileSync(join(tree, 'removed'), 'x');
    writeFileSync(join(tree, 'whole'), noise(4_000_000, 4));
    writeFileSync(join(tree, 'shrunk'), noise(4_000_000, 5));
    const input = openSync(tree, 'r');
    const child = spawn('tar', dumpArguments, {
      env: { PATH: withOurs },
      stdio: [input, 'pipe', 'pipe'],
    });
    closeSync(input);
    const { stdout, stderr: errors } = child;
    if (stdout === null || errors === null) throw new Error('tar has no pipes');
    await new Promise((started) => stdout.once('readable', started));
    truncateSync(join(tree, 'shrunk'), 1000);
    rmSync(join(tree, 'removed'));
    const archive: Buffer[] = [];
    stdout.on('data', (part: Buffer) => archive.push(part));
    const [stderr, code] = await Promise.all([
      text(errors),
      new Promise((closed) => child.once('close', closed)),
    ]);
    expect(stderr).toMatch(/^tar: \.\/shrunk: File shrank by \d+ bytes; padding with zeros$/m);
    expect(stderr).toMatch(/^tar: \.\/removed: File removed before we read it$/m);
    expect(stderr).toMatch(/^tar: \.\/: file changed as we read it$/m);
    expect(code).toBe(1);
    const restored = await restore(Buffer.concat(archive));
    expect(readFileSync(join(restored, 'whole')).equals(noise(4_000_000, 4))).toBe(true);
    expect(lstatSync(join(restored, 'shrunk')).size).toBe(4_000_000);
  });

  test('what cannot be read is left out, with exit status 2', async () => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'readable'), 'x');
    writeFileSync(join(tree, 'unreadable'), 'x');
    mkdirSync(join(tree, 'closed'));
    chmodSync(join(tree, 'unreadable'), 0);
    chmodSync(join(tree, 'closed'), 0);
    const asNobody = async (path: string): Promise<Archive> => {
      const input = openSync(tree, 'r');
      const output = join(await scope.directory(), 'image');
      const image = openSync(output, 'w');
      const args = ['--reuid=65534', '--clear-groups', 'tar', ...dumpArguments];
      const { code, stderr } = await run('setpriv', args, {
        env: { LC_ALL: 'C', PATH: path },
        stdio: [input, image, 'pipe'],
      });
      closeSync(input);
      closeSync(image);
      return { code, stderr, file: readFileSync(output) };
    };
    const reachable = await scope.directory();
    chmodSync(reachable, 0o755);
    copyFileSync(join(tarFirst, 'tar'), join(reachable, 'tar'));
    const ours = await asNobody(`${reachable}:${systemPath}`);
    expect(ours.code).toBe(2);
    expect(ours.stderr.split('\n').sort()).toEqual([
      '',
      'tar: ./closed: Cannot open: Permission denied',
      'tar: ./unreadable: Cannot open: Permission denied',
    ]);
    const reference = await asNobody(systemPath);
    expect(gunzipSync(ours.file).equals(gunzipSync(reference.file))).toBe(true);
  });

  test('a full disk gives exit status 2', async () => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'noise'), noise(1_000_000, 6));
    const full = await tmpfs(scope, 'size=64k');
    const { code, stderr } = await dump(withOurs, tree, { output: join(full, 'image') });
    expect(stderr).toContain('Cannot write: No space left on device');
    expect(code).toBe(2);
  });
});

describe('other invocations', () => {
  const reference = async (): Promise<string> =>
    await runOk('tar', ['--version'], { env: { PATH: systemPath } });

  test('go to the next tar in PATH', async () => {
    const env = { PATH: `${dirname(tarFirst)}/none:${tarFirst}:${withOurs}` };
    expect(await runOk('tar', ['--version'], { env })).toBe(await reference());
    expect(await runOk(join(tarFirst, 'tar'), ['--version'], { env: { PATH: systemPath } })).toBe(
      await reference(),
    );
  });

  test('a copy of ours is not taken for the real one', async () => {
    const copy = await scope.directory();
    copyFileSync(join(tarFirst, 'tar'), join(copy, 'tar'));
    const env = { PATH: `${tarFirst}:${copy}:${tarFirst}` };
    const outcome = await run('tar', ['--version'], { env });
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(
      'Cannot start the next tar in PATH: No such file or directory',
    );
    const complete = { PATH: `${tarFirst}:${copy}:${systemPath}` };
    expect(await runOk('tar', ['--version'], { env: complete })).toBe(await reference());
  });

  test.each([
    ['more options', { args: ['--xattrs', ...dumpArguments] }],
    [
      'another order',
      { args: [...dumpArguments.slice(1, 10), '--create', '/proc/self/fd/0', '.'] },
    ],
    ['TAR_OPTIONS', { env: { TAR_OPTIONS: '--format=posix' } }],
    ['TAPE', { env: { TAPE: '-' } }],
  ])('%s are left to GNU tar', async (_, settings) => {
    const tree = await tmpfs(scope);
    writeFileSync(join(tree, 'file'), 'x');
    const [ours, theirs] = [await dump(withOurs, tree, settings), await dump(withOurs, tree)];
    expect([byUs(ours.file), byUs(theirs.file)]).toEqual([false, true]);
  });
});
