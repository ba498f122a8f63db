import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { nativeDirectory } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';

const scope = useScope();
const program = join(nativeDirectory, 'criu_layer');
beforeAll(() => requireNeeds('root', 'build'));

/** An overlay of two layers, mounted. */
interface Overlay {
  first: string;
  second: string;
  upper: string;
  merged: string;
  /** What the names of its own attributes begin with. */
  prefix: string;
}

async function mountOverlay(
  on: Scope,
  fill: (first: string, second: string) => void,
  options = '',
): Promise<Overlay> {
  const top = await mountTmpfs(on);
  const [first, second, upper, work, merged] = ['1', '2', 'upper', 'work', 'merged'].map((name) => {
    mkdirSync(join(top, name));
    return join(top, name);
  }) as [string, string, string, string, string];
  fill(first, second);
  const words = `lowerdir=${second}:${first},upperdir=${upper},workdir=${work}${options}`;
  await runOk('mount', ['-t', 'overlay', '-o', words, 'overlay', merged]);
  on.defer(() => runOk('umount', ['--lazy', merged]));
  const prefix = options.includes('userxattr') ? 'user.overlay.' : 'trusted.overlay.';
  return { first, second, upper, merged, prefix };
}

/** What the program has written. */
interface Layer {
  code: number | null;
  stderr: string;
  archive: string;
  removed: string[];
}

async function archiveLayer({ first, second, upper, merged, prefix }: Overlay): Promise<Layer> {
  const directory = await scope.directory();
  const archive = join(directory, 'layer.tar');
  const list = join(directory, 'removed');
  const directories = [upper, merged].map((path) => openSync(path, 'r'));
  const lower = [second, first].map((path) => openSync(path, 'r'));
  const [output, removed] = [openSync(archive, 'w'), openSync(list, 'w')];
  const go = join(directory, 'go');
  writeFileSync(go, '\n');
  const input = openSync(go, 'r');
  const all = [...directories, removed, ...lower];
  try {
    const { code, stderr } = await run(program, ['layer', '2', prefix], {
      stdio: [input, output, 'pipe', ...all],
    });
    const paths = readFileSync(list, 'utf8').split('\0').slice(0, -1);
    return { code, stderr, archive, removed: paths.sort() };
  } finally {
    for (const fd of [input, output, ...all]) closeSync(fd);
  }
}

/** The names of an archive, as GNU tar tells them. */
async function namesIn(archive: string): Promise<string[]> {
  const text = await runOk('tar', ['--list', '--file', archive]);
  return text.split('\n').filter(Boolean).sort();
}

/** Applies what was archived to a copy of the image, as podman does. */
async function applied({ first, second }: Overlay, layer: Layer): Promise<string> {
  const directory = await scope.directory();
  for (const from of [first, second]) await runOk('cp', ['-a', `${from}/.`, directory]);
  await runOk('tar', [
    ...['--extract', '--xattrs', '--xattrs-include=*', '--numeric-owner'],
    ...['--file', layer.archive, '--directory', directory],
  ]);
  for (const path of layer.removed) {
    rmSync(join(directory, path), { recursive: true, force: true });
  }
  return directory;
}

/** All of a tree: each path with what it is. */
async function tree(directory: string): Promise<string> {
  const words = ['-mindepth', '1', '-printf', '%P %y %m %U:%G %l %s\n'];
  const found = await runOk('find', [directory, ...words]);
  // A directory has the size of its table.
  return found
    .replace(/ (d \d+ \d+:\d+ ) \d+$/gm, ' $1')
    .split('\n')
    .sort()
    .join('\n');
}

function fillImage(first: string, second: string): void {
  mkdirSync(join(first, 'etc/deep/deeper'), { recursive: true });
  writeFileSync(join(first, 'etc/passwd'), 'root\n');
  writeFileSync(join(first, 'etc/gone'), 'gone');
  writeFileSync(join(first, 'etc/deep/a'), 'a');
  writeFileSync(join(first, 'etc/deep/deeper/b'), 'b');
  mkdirSync(join(first, 'replaced/inner'), { recursive: true });
  writeFileSync(join(first, 'replaced/old'), 'old');
  writeFileSync(join(first, 'replaced/inner/older'), 'older');
  mkdirSync(join(second, 'replaced'), { recursive: true });
  writeFileSync(join(second, 'replaced/second'), 'second');
  mkdirSync(join(second, 'becomes-file'));
  writeFileSync(join(second, 'becomes-directory'), '');
  symlinkSync('/etc/shadow', join(second, 'link'));
}

function change(merged: string): void {
  writeFileSync(join(merged, 'etc/passwd'), 'root\nuser\n');
  rmSync(join(merged, 'etc/gone'));
  writeFileSync(join(merged, 'etc/new'), 'new');
  rmSync(join(merged, 'replaced'), { recursive: true });
  mkdirSync(join(merged, 'replaced/inner'), { recursive: true });
  writeFileSync(join(merged, 'replaced/new'), 'new');
  rmSync(join(merged, 'becomes-file'), { recursive: true });
  writeFileSync(join(merged, 'becomes-file'), 'file');
  rmSync(join(merged, 'becomes-directory'));
  mkdirSync(join(merged, 'becomes-directory'));
  linkSync(join(merged, 'etc/new'), join(merged, 'etc/second name'));
  symlinkSync('../../../etc/shadow', join(merged, 'etc/hostile'));
}

describe('the archive of an upper directory', () => {
  test('has what was changed, and a list of what was removed', async () => {
    const overlay = await mountOverlay(scope, fillImage);
    change(overlay.merged);
    const layer = await archiveLayer(overlay);
    expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
    expect(layer.removed).toEqual([
      '/etc/gone',
      '/replaced/inner/older',
      '/replaced/old',
      '/replaced/second',
    ]);
    expect(await namesIn(layer.archive)).toEqual([
      './',
      'becomes-directory/',
      'becomes-file',
      'etc/',
      'etc/hostile',
      'etc/new',
      'etc/passwd',
      'etc/second name',
      'replaced/',
      'replaced/inner/',
      'replaced/new',
    ]);
    expect(await tree(await applied(overlay, layer))).toBe(await tree(overlay.merged));
  });

  test('follows no link, and reads no pipe, device or socket', async () => {
    const overlay = await mountOverlay(scope, fillImage);
    const { merged } = overlay;
    await runOk('mkfifo', [join(merged, 'pipe')]);
    await runOk('mknod', [join(merged, 'disk'), 'b', '7', '200']);
    await runOk('mknod', [join(merged, 'zero'), 'c', '1', '5']);
    symlinkSync('/etc', join(merged, 'directory'));
    symlinkSync('/proc/self/fd/3', join(merged, 'magic'));
    const server = createServer().listen(join(merged, 'socket'));
    scope.defer(() => new Promise((done) => server.close(done)));
    const layer = await archiveLayer(overlay);
    expect(layer.code).toBe(0);
    expect(layer.stderr).toBe('tar: ./socket: socket ignored\n');
    const listed = await runOk('tar', ['--list', '--verbose', '--file', layer.archive]);
    for (const line of [
      /^p.* pipe$/m,
      /^b.* 7,200 .* disk$/m,
      /^c.* 1,5 .* zero$/m,
      /^l.* directory -> \/etc$/m,
      /^l.* magic -> \/proc\/self\/fd\/3$/m,
    ]) {
      expect(listed).toMatch(line);
    }
    expect(statSync(layer.archive).size).toBeLessThan(20_000);
  });

  test('keeps extended attributes, holes, and names of any bytes and length', async () => {
    const overlay = await mountOverlay(scope, fillImage);
    const { merged } = overlay;
    const deep = join(merged, 'd'.repeat(200), 'e'.repeat(200));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'f'.repeat(200)), 'deep');
    writeFileSync(Buffer.concat([Buffer.from(`${merged}/`), Buffer.from([0xff, 0xfe, 0x0a])]), 'x');
    writeFileSync(join(merged, 'sparse'), 'begin');
    truncateSync(join(merged, 'sparse'), 2 ** 34);
    writeFileSync(join(merged, 'capable'), '');
    await runOk('setcap', ['cap_net_raw+ep', join(merged, 'capable')]);
    const layer = await archiveLayer(overlay);
    expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
    expect(statSync(layer.archive).size).toBeLessThan(50_000);
    const directory = await applied(overlay, layer);
    expect(await tree(directory)).toBe(await tree(merged));
    expect(await runOk('getcap', [join(directory, 'capable')])).toContain('cap_net_raw=ep');
  });

  test('has a file whose content is in the image, and a directory that was moved', async () => {
    const overlay = await mountOverlay(scope, fillImage, ',metacopy=on,redirect_dir=on');
    const { merged } = overlay;
    await runOk('chmod', ['0600', join(merged, 'etc/deep/a')]);
    await rename(join(merged, 'etc/deep/deeper'), join(merged, 'moved'));
    await rename(join(merged, 'replaced'), join(merged, 'etc/replaced'));
    const layer = await archiveLayer(overlay);
    expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
    expect(await tree(await applied(overlay, layer))).toBe(await tree(merged));
    const directory = await applied(overlay, layer);
    expect(readFileSync(join(directory, 'etc/deep/a'), 'utf8')).toBe('a');
    expect(readdirSync(join(directory, 'etc/replaced')).sort()).toEqual(['inner', 'old', 'second']);
    expect(readlinkSync(join(directory, 'link'))).toBe('/etc/shadow');
  });
});

test('a directory that was moved is archived however deep it is', async () => {
  const names = Array.from({ length: 200 }, (_, index) => `${index}`);
  const fill = (first: string): void => {
    mkdirSync(join(first, 'first', ...names), { recursive: true });
    writeFileSync(join(first, 'first', ...names, 'end'), 'end');
    writeFileSync(join(first, 'first/0/other'), 'other');
  };
  const overlay = await mountOverlay(scope, fill, ',redirect_dir=on');
  await rename(join(overlay.merged, 'first'), join(overlay.merged, 'second'));
  const layer = await archiveLayer(overlay);
  expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
  expect(await tree(await applied(overlay, layer))).toBe(await tree(overlay.merged));
});

/** What a task of a container can do, with any name that is not the overlay's own. */
async function setAttribute(name: string, paths: readonly string[]): Promise<void> {
  const program = 'import os, sys\nfor p in sys.argv[2:]: os.setxattr(p, sys.argv[1], b"y")';
  await runOk('python3', ['-c', program, name, ...paths]);
}

describe('attributes that are called as those of overlays are', () => {
  test.each(['opaque', 'redirect', 'metacopy'])(
    'mean nothing where a container has set them: %s',
    async (name) => {
      const overlay = await mountOverlay(scope, fillImage);
      const paths = ['etc', 'replaced/inner', 'replaced/old'];
      await setAttribute(
        `user.overlay.${name}`,
        paths.map((path) => join(overlay.merged, path)),
      );
      const layer = await archiveLayer(overlay);
      expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
      expect(layer.removed).toEqual([]);
      const listed = ['./', 'etc/', 'replaced/', 'replaced/inner/', 'replaced/old'];
      expect(await namesIn(layer.archive)).toEqual(listed);
      expect(await tree(await applied(overlay, layer))).toBe(await tree(overlay.merged));
    },
  );

  test('are those of the overlay where it was mounted so', async () => {
    const overlay = await mountOverlay(scope, fillImage, ',userxattr');
    change(overlay.merged);
    const layer = await archiveLayer(overlay);
    expect({ code: layer.code, stderr: layer.stderr }).toEqual({ code: 0, stderr: '' });
    expect(layer.removed).toContain('/replaced/old');
    expect(await tree(await applied(overlay, layer))).toBe(await tree(overlay.merged));
  });
});

describe('the program', () => {
  test('does nothing until it is told to, and nothing when nobody will', async () => {
    const directory = await scope.directory();
    const archive = join(directory, 'tree.tar');
    const [tree, output] = [openSync(directory, 'r'), openSync(archive, 'w')];
    const { code, stderr } = await run(program, ['tree'], {
      stdio: ['ignore', output, 'pipe', tree],
    });
    expect({ code, stderr, size: statSync(archive).size }).toEqual({
      code: 0,
      stderr: '',
      size: 0,
    });
    for (const fd of [tree, output]) closeSync(fd);
  });

  test.each([
    [[]],
    [['layer']],
    [['layer', '1']],
    [['layer', '0', 'user.overlay.']],
    [['layer', 'x', 'user.overlay.']],
    [['layer', '1', 'user.']],
    [['tree', '1']],
    [['other']],
  ])('refuses the words %j', async (words) => {
    expect((await run(program, words)).code).toBe(64);
  });

  test('tells that it cannot write', async () => {
    const place = await mountTmpfs(scope, 'size=64k');
    const directory = await scope.directory();
    writeFileSync(join(directory, 'large'), Buffer.alloc(1_000_000, 1));
    writeFileSync(join(directory, 'go'), '\n');
    const fds = [
      openSync(join(directory, 'go'), 'r'),
      openSync(join(place, 'tree.tar'), 'w'),
      openSync(directory, 'r'),
    ] as const;
    const { code, stderr } = await run(program, ['tree'], {
      stdio: [fds[0], fds[1], 'pipe', fds[2]],
    });
    expect(code).toBe(2);
    expect(stderr).toContain('Cannot write: No space left on device');
    for (const fd of fds) closeSync(fd);
    expect(existsSync(join(directory, 'large'))).toBe(true);
  });
});
