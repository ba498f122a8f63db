import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { exists, isBelow, isDirectory, isFile, shownPath } from '../../../lib/linux/paths.js';

const directory = mkdtempSync(join(tmpdir(), 'libcriu-paths-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('exists, isFile and isDirectory follow links and take nothing for something', async () => {
  const [file, dangling, link] = ['file', 'dangling', 'link'].map((name) => join(directory, name));
  writeFileSync(file ?? '', '');
  symlinkSync('missing', dangling ?? '');
  symlinkSync('.', link ?? '');
  const looks = [file, dangling, link, join(file ?? '', 'below')].map(async (path = '') => [
    await exists(path),
    await isFile(path),
    await isDirectory(path),
  ]);
  expect(await Promise.all(looks)).toEqual([
    [true, true, false],
    [false, false, false],
    [true, false, true],
    [false, false, false],
  ]);
});

test.each([
  ['/a/b', '/a', true],
  ['/a', '/a', true],
  ['/ab', '/a', false],
  ['/a', '/a/b', false],
  ['/anything', '/', true],
])('isBelow(%s, %s) is %s', (path, base, expected) => {
  expect(isBelow(path, base)).toBe(expected);
});

test('shownPath stays one line and keeps quotes', () => {
  expect(shownPath('/a\n"b"\t\u0000')).toBe('/a\\n"b"\\t\\u0000');
});
