import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import {
  type Archive,
  dump,
  dumpArguments,
  noise,
  restore,
  systemPath,
  tarFirst,
  treeSize,
  withOurs,
} from '../../helpers/tar.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'build'));

describe('our tar ends with status', () => {
  test('1 when files change, shrink or go away meanwhile', async () => {
    const tree = await mountTmpfs(scope, treeSize);
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
    const restored = await restore(scope, Buffer.concat(archive));
    expect(readFileSync(join(restored, 'whole')).equals(noise(4_000_000, 4))).toBe(true);
    expect(lstatSync(join(restored, 'shrunk')).size).toBe(4_000_000);
  });

  test('2 when it has to leave out what cannot be read', async () => {
    const tree = await mountTmpfs(scope, treeSize);
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
        env: { ...process.env, LC_ALL: 'C', PATH: path },
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

  test('2 when the disk is full', async () => {
    const tree = await mountTmpfs(scope, treeSize);
    writeFileSync(join(tree, 'noise'), noise(1_000_000, 6));
    const full = await mountTmpfs(scope, 'size=64k');
    const { code, stderr } = await dump(scope, withOurs, tree, { output: join(full, 'image') });
    expect(stderr).toContain('Cannot write: No space left on device');
    expect(code).toBe(2);
  });
});
