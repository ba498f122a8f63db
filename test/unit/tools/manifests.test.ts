import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { criuManifest, mainManifest, platformManifest } from '../../../tools/packing/manifests.mjs';
import { makeableHere } from '../../../tools/packing/packages.mjs';
import { criuPackages, platforms } from '../../../tools/platforms.mjs';
import { projectRoot } from '../../helpers/paths.js';

const own = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};

test('npm installs the package of an addon only on the system for which it is', () => {
  expect(platforms.map(platformManifest)).toEqual(
    [
      ['x64', 'glibc', 'linux-x64-gnu'],
      ['x64', 'musl', 'linux-x64-musl'],
      ['arm64', 'glibc', 'linux-arm64-gnu'],
      ['arm64', 'musl', 'linux-arm64-musl'],
    ].map(([cpu, libc, name]) =>
      expect.objectContaining({
        name: `@libcriu/${name}`,
        version: own.version,
        os: ['linux'],
        cpu: [cpu],
        libc: [libc],
        main: 'criu_native.node',
      }),
    ),
  );
});

test("npm installs CRIU for the processor, where its C library is the system's", () => {
  expect(criuPackages.map(criuManifest)).toEqual(
    ['x64', 'arm64'].map((cpu) =>
      expect.objectContaining({
        name: `@libcriu/criu-linux-${cpu}`,
        version: own.version,
        os: ['linux'],
        cpu: [cpu],
        libc: ['glibc'],
      }),
    ),
  );
});

test('the main package goes with this version of the others, and runs nothing at installation', () => {
  const names = [...platforms, ...criuPackages].map(({ name }) => name);
  const manifest = mainManifest(names);
  const others = names.map((name) => [name, own.version]);
  expect(manifest['optionalDependencies']).toEqual(Object.fromEntries(others));
  expect(manifest).not.toHaveProperty('scripts');
  expect(manifest['dependencies']).toEqual(own.dependencies);
});

test('those that cannot be made here are told with the reason, and the main package does not name them', () => {
  const { systems, names, leftOut } = makeableHere();
  expect([...systems, ...leftOut.map(({ system }) => system)].sort()).toEqual(
    platforms.map(({ directory }) => directory).sort(),
  );
  // On x64 there is a compiler for each.
  if (process.arch === 'x64') expect(leftOut).toEqual([]);
  for (const { reason } of leftOut)
    expect(reason).toMatch(/^there is no compiler here for @libcriu/);
  const made = mainManifest(names)['optionalDependencies'] as Record<string, string>;
  for (const { name, directory } of platforms) {
    expect(name in made, name).toBe(systems.includes(directory));
  }
  for (const { name, cpu } of criuPackages) {
    expect(name in made, name).toBe(systems.includes(`linux-${cpu}-gnu`));
  }
});
