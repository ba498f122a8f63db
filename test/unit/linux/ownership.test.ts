import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inspectOwnership, type OwnershipOptions } from '../../../lib/linux/ownership.js';
import { mountForged } from '../../helpers/forged-owners.js';
import { requireNeeds } from '../../helpers/needs.js';

const alice = 1000;
const staff = 50;
/** A directory that only root reaches in a way that only root can change. */
const base = mkdtempSync('/run/libcriu-ownership-');
let counter = 0;
let root = '';

beforeAll(() => requireNeeds('root'));
beforeEach(() => {
  counter += 1;
  root = join(base, `case-${counter}`);
  mkdirSync(root, { mode: 0o755 });
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Makes a directory with an owner and a mode, whatever the umask is. */
function directory(name: string, { uid = 0, gid = 0, mode = 0o755 } = {}): string {
  const path = join(root, name);
  mkdirSync(path);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return path;
}

function file(name: string, { uid = 0, gid = 0, mode = 0o644, content = 'content' } = {}): string {
  const path = join(root, name);
  writeFileSync(path, content);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return path;
}

function link(name: string, target: string, uid = 0): string {
  const path = join(root, name);
  symlinkSync(target, path);
  lchownSync(path, uid, uid);
  return path;
}

async function reasonOf(path: string, options?: OwnershipOptions): Promise<string | undefined> {
  const report = await inspectOwnership(path, options);
  report.close();
  return report.reason;
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe('a path that only root and the effective user can have written', () => {
  test('a file of root in directories of root has no reason for distrust', async () => {
    directory('a');
    directory('a/b', { mode: 0o700 });
    const path = file('a/b/file');
    const report = await inspectOwnership(path);
    expect(report).toMatchObject({ reason: undefined, real: path, missing: [] });
    expect(readFileSync(`/proc/self/fd/${report.fd}`, 'utf8')).toBe('content');
    expect(report.stats.isFile()).toBe(true);
    report.close();
  });

  test('what the effective user owns is trusted, and what a third user owns is not', async () => {
    directory('a', { uid: alice });
    const path = file('a/file', { uid: alice });
    expect(await reasonOf(path, { euid: alice })).toBeUndefined();
    chownSync(path, alice + 1, 0);
    expect(await reasonOf(path, { euid: alice })).toBe(`${path} is owned by user ${alice + 1}`);
  });

  test('an entry of root in a sticky directory that everybody writes to is trusted', async () => {
    directory('tmp', { mode: 0o1777 });
    directory('tmp/mine');
    expect(await reasonOf(file('tmp/mine/file'))).toBeUndefined();
    expect(await reasonOf(file('tmp/file'))).toBeUndefined();
  });

  test('links of root are followed, absolute, relative, upwards and to other links', async () => {
    directory('a');
    directory('a/b');
    const target = file('a/b/file');
    link('a/absolute', join(root, 'a/b'));
    link('a/relative', 'b');
    link('a/b/up', '../b/../absolute');
    link('a/chain', './b//up/./');
    for (const path of ['absolute', 'relative', 'b/up', 'chain', 'chain/up/up']) {
      const report = await inspectOwnership(join(root, 'a', path, 'file'));
      report.close();
      expect(report).toMatchObject({ reason: undefined, real: target });
    }
  });

  test('devices and sockets that everybody may write to are trusted', async () => {
    expect(await reasonOf('/dev/null')).toBeUndefined();
    const path = join(root, 'socket');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    chmodSync(path, 0o777);
    expect(await reasonOf(path)).toBeUndefined();
    server.close();
  });

  test('names of any bytes are walked as they are', async () => {
    const name = Buffer.from([0x61, 0xff, 0x0a, 0x62]);
    const path = Buffer.concat([Buffer.from(`${root}/`), name]);
    mkdirSync(path);
    symlinkSync(path, join(root, 'link'));
    writeFileSync(Buffer.concat([path, Buffer.from('/file')]), 'content');
    const report = await inspectOwnership(join(root, 'link/file'));
    expect(readFileSync(`/proc/self/fd/${report.fd}`, 'utf8')).toBe('content');
    expect(report.reason).toBeUndefined();
    report.close();
    chownSync(path, alice, 0);
    const reason = await reasonOf(join(root, 'link/file'));
    expect(reason).toBe(`${root}/a\ufffd\\nb is owned by user ${alice}`);
  });

  test('a relative path starts at the working directory', async () => {
    const before = process.cwd();
    directory('a');
    file('a/file');
    process.chdir(join(root, 'a'));
    try {
      const report = await inspectOwnership('../a/file');
      report.close();
      expect(report.real).toBe(join(root, 'a/file'));
      expect((await inspectOwnership('.')).real).toBe(join(root, 'a'));
      chownSync(root, alice, 0);
      expect(await reasonOf('file')).toBe(`${root} is owned by user ${alice}`);
    } finally {
      process.chdir(before);
    }
  });
});

describe('a path that another user may have had a hand in', () => {
  const cases: readonly [string, () => string, (path: string) => string][] = [
    [
      'a file of another user',
      () => file('file', { uid: alice }),
      (path) => `${path} is owned by user ${alice}`,
    ],
    [
      'a file that its group may write to',
      () => file('file', { gid: staff, mode: 0o664 }),
      (path) => `${path} may be written by group ${staff}`,
    ],
    [
      'a file that everybody may write to',
      () => file('file', { mode: 0o666 }),
      (path) => `${path} may be written by every user`,
    ],
    [
      'a sticky file, where the bit protects nothing',
      () => file('file', { mode: 0o1666 }),
      (path) => `${path} may be written by every user`,
    ],
    [
      'a directory of another user',
      () => directory('dir', { uid: alice, mode: 0o700 }),
      (path) => `${path} is owned by user ${alice}`,
    ],
    [
      'a directory at the end that everybody may write to, sticky or not',
      () => directory('dir', { mode: 0o1777 }),
      (path) => `${path} may be written by every user`,
    ],
    [
      'a file below a directory that its group may write to',
      () => {
        directory('dir', { gid: staff, mode: 0o775 });
        directory('dir/below');
        return file('dir/below/file');
      },
      () => `${root}/dir may be written by group ${staff}`,
    ],
    [
      'a file below a directory of another user, although that one is sticky',
      () => {
        directory('dir', { uid: alice, mode: 0o1777 });
        return file('dir/file');
      },
      () => `${root}/dir is owned by user ${alice}`,
    ],
    [
      "another user's directory in a sticky one",
      () => {
        directory('tmp', { mode: 0o1777 });
        directory('tmp/his', { uid: alice });
        return file('tmp/his/file');
      },
      () => `${root}/tmp/his is owned by user ${alice}`,
    ],
    [
      "another user's link in a sticky directory, to a file of root",
      () => {
        directory('tmp', { mode: 0o1777 });
        return link('tmp/link', file('file'), alice);
      },
      (path) => `the symbolic link ${path} is owned by user ${alice}`,
    ],
    [
      "another user's link that a link of root leads through",
      () => {
        directory('tmp', { mode: 0o1777 });
        link('tmp/his', root, alice);
        file('file');
        return link('link', 'tmp/his/file');
      },
      () => `the symbolic link ${root}/tmp/his is owned by user ${alice}`,
    ],
    [
      'a link of root to a file below a directory of another user',
      () => {
        directory('his', { uid: alice });
        return link('link', file('his/file'));
      },
      () => `${root}/his is owned by user ${alice}`,
    ],
    [
      "a link that comes back out of another user's directory",
      () => {
        directory('his', { uid: alice });
        directory('his/dir');
        file('file');
        return link('link', 'his/dir/../../file');
      },
      () => `${root}/his is owned by user ${alice}`,
    ],
    [
      'a file of root that has another name beside one in a sticky directory',
      () => {
        directory('tmp', { mode: 0o1777 });
        linkSync(file('file'), join(root, 'tmp/file'));
        return join(root, 'tmp/file');
      },
      (path) => `${path} has other names, and every user can give it one there`,
    ],
  ];

  test.each(cases)('%s is told', async (_title, make, expected) => {
    const path = make();
    expect(await reasonOf(path)).toBe(expected(path));
  });

  test('a file of root that has another name is trusted where only root can make names', async () => {
    linkSync(file('file'), join(root, 'other'));
    expect(await reasonOf(join(root, 'other'))).toBeUndefined();
  });

  test('owners on a FUSE file system are not believed when another user mounted it', async () => {
    directory('tmp', { mode: 0o1777 });
    const path = directory('tmp/mount', { uid: alice });
    const unmount = await mountForged(path, alice);
    try {
      expect(await reasonOf(path)).toBe(
        `${path} is on a FUSE file system that user ${alice} mounted`,
      );
      expect(await reasonOf(path, { euid: alice })).toBeUndefined();
    } finally {
      await unmount();
    }
  });

  test('owners on a FUSE file system are believed when root mounted it', async () => {
    const path = directory('mount');
    const unmount = await mountForged(path, 0);
    try {
      expect(await reasonOf(path)).toBeUndefined();
    } finally {
      await unmount();
    }
  });
});

describe('a path that need not exist', () => {
  test('the nearest directory above it is judged as one on the way', async () => {
    const path = directory('tmp', { mode: 0o1777 });
    const report = await inspectOwnership(join(path, 'new/images'), { mayBeMissing: true });
    report.close();
    expect(report).toMatchObject({ real: path, missing: ['new', 'images'], reason: undefined });
  });

  test('a directory above it where everybody makes and takes entries is told', async () => {
    const path = directory('dir', { mode: 0o777 });
    expect(await reasonOf(join(path, 'new'), { mayBeMissing: true })).toBe(
      `${path} may be written by every user`,
    );
  });

  test('what a dangling link of root leads to counts as missing there', async () => {
    directory('a');
    const path = link('link', 'a/new');
    const report = await inspectOwnership(path, { mayBeMissing: true });
    report.close();
    expect(report).toMatchObject({ real: join(root, 'a'), missing: ['new'], reason: undefined });
  });

  test('a way up out of what is missing is an error, as it is to the kernel', async () => {
    const path = `${root}/new/../file`;
    file('file');
    await expect(inspectOwnership(path, { mayBeMissing: true })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});

describe('a link at the end that is not to be followed', () => {
  test.each([
    ['leads to a file', () => link('link', file('file'))],
    ['dangles', () => link('link', 'missing')],
    ['leads to itself', () => link('link', 'link')],
  ])('is looked at itself where it %s', async (_how, make) => {
    const path = make();
    const report = await inspectOwnership(path, { followsLast: false });
    report.close();
    expect(report.stats.isSymbolicLink()).toBe(true);
    expect(report).toMatchObject({ real: path, reason: undefined });
  });

  test('is no reason to trust its owner, and those before it are followed', async () => {
    directory('a');
    link('up', 'a');
    link('a/link', 'missing', alice);
    const report = await inspectOwnership(join(root, 'up/link'), { followsLast: false });
    report.close();
    expect(report.real).toBe(join(root, 'a/link'));
    expect(report.reason).toBe(`${root}/a/link is owned by user ${alice}`);
  });
});

describe('a path that leads nowhere', () => {
  test.each([
    ['a missing file', 'ENOENT', () => join(root, 'missing')],
    ['a file in a missing directory', 'ENOENT', () => join(root, 'missing/file')],
    ['a path through a file', 'ENOTDIR', () => join(file('file'), 'below')],
    ['a dangling link', 'ENOENT', () => link('link', 'missing')],
    ['a link to itself', 'ELOOP', () => link('link', 'link')],
    ['a name that is too long', 'ENAMETOOLONG', () => join(root, 'n'.repeat(256))],
  ])('%s is %s and leaves no descriptor open', async (_title, code, make) => {
    const path = make();
    const before = openDescriptors();
    await expect(inspectOwnership(path)).rejects.toMatchObject({ code });
    expect(openDescriptors()).toBe(before);
  });

  test('the error names the path and not a descriptor', async () => {
    const path = join(root, 'missing');
    await expect(inspectOwnership(path)).rejects.toThrow(`ENOENT: cannot open ${path}`);
  });
});

test('the descriptor stays with what was judged when the path is given to something else', async () => {
  const path = file('file');
  const report = await inspectOwnership(path);
  renameSync(path, join(root, 'moved'));
  file('file', { uid: alice, content: 'planted' });
  expect(readFileSync(`/proc/self/fd/${report.fd}`, 'utf8')).toBe('content');
  report.close();
});

test('a pipe at the end is not opened, and nobody waits for its other end', async () => {
  const path = join(root, 'pipe');
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', ['-m', '0666', path]);
  expect(await reasonOf(path)).toBe(`${path} may be written by every user`);
});

test('a report holds one descriptor, which closes once', async () => {
  const path = file('file');
  const before = openDescriptors();
  const report = await inspectOwnership(path);
  expect(openDescriptors()).toBe(before + 1);
  report.close();
  const other = openSync(path, constants.O_RDONLY);
  report.close();
  expect(readFileSync(other, 'utf8')).toBe('content');
  closeSync(other);
  expect(openDescriptors()).toBe(before);
});
