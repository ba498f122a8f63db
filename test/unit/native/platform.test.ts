import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { libc, platformName, platformPackages } from '../../../lib/native/platform.js';
import { addonFiles, platforms } from '../../../tools/platforms.mjs';
import { projectRoot } from '../../helpers/paths.js';

test('the packages that are made are those that are looked for', () => {
  expect(platforms.map(({ name }) => name).sort()).toEqual([...platformPackages].sort());
});

test('every package is named in a call of require that a bundler can read', () => {
  const text = readFileSync(join(projectRoot, 'lib/native/platform.ts'), 'utf8');
  for (const name of platformPackages) {
    expect(text).toContain(`require('${name}')`);
    expect(text).toContain(`require.resolve('${name}')`);
  }
});

test('the package of this system is told without starting anything', () => {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork ?? false;
  expect(platformName()).toBe(`@libcriu/linux-${process.arch}-${libc()}`);
  expect(report.excludeNetwork).toBe(before);
});

test('a package has all that is built', () => {
  const built = Object.keys(
    JSON.parse(readFileSync(join(projectRoot, 'native/sources.json'), 'utf8')) as object,
  );
  const names = addonFiles.map((file) =>
    file
      .replace(/\.(?:node|so)$/, '')
      .replace('tar-first/', 'criu_')
      .replace('criu-first/criu', 'criu_front'),
  );
  expect(names.sort()).toEqual(built.sort());
});
