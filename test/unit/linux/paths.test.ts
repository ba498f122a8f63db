import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  exists,
  findIn,
  isBelow,
  isDirectory,
  isExecutable,
  isFile,
  shownPath,
} from '../../../lib/linux/paths.js';

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

test('findIn takes the first path that fits, whatever else has the name', async () => {
  const places = ['none', 'directory', 'plain', 'program'].map((name) => join(directory, name));
  for (const place of places) mkdirSync(place);
  const [, inDirectory = '', plain = '', program = ''] = places.map((place) => join(place, 'criu'));
  mkdirSync(inDirectory);
  for (const file of [plain, program]) writeFileSync(file, '');
  chmodSync(program, 0o755);
  expect(await findIn(places, 'criu', isFile)).toBe(plain);
  expect(await findIn(places, 'criu', isExecutable)).toBe(program);
  expect(await findIn(places.slice(0, 2), 'criu', isExecutable)).toBeUndefined();
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
