import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { checkPackage } from '../../scripts/release/check.mjs';
import { pack } from '../../tools/packing/main-package.mjs';
import { beginPackage, platformManifest } from '../../tools/packing/manifests.mjs';
import { sbomName, writeSbom } from '../../tools/packing/sbom.mjs';
import { platforms } from '../../tools/platforms.mjs';
import { requireNeeds } from '../helpers/needs.js';
import { Scope, useScope } from '../helpers/scope.js';
import { runOk } from '../helpers/system/exec.js';

const own = platforms.find(({ cpu, libc }) => cpu === process.arch && libc === 'glibc');
const scope = useScope();
/** A library that needs nothing, and one that needs more than there is in a package. */
let [plain, demanding] = ['', ''];

beforeAll(async () => {
  requireNeeds('gcc');
  const files = new Scope();
  const directory = await files.directory();
  const source = join(directory, 'one.c');
  await writeFile(source, 'int one(void) { return 1; }\n');
  plain = join(directory, 'plain.node');
  demanding = join(directory, 'demanding.node');
  await runOk('gcc', ['-shared', '-fPIC', '-nostdlib', '-o', plain, source]);
  await runOk('gcc', [
    '-shared',
    '-fPIC',
    '-Wl,--no-as-needed',
    '-o',
    demanding,
    source,
    '-lstdc++',
  ]);
  return () => files.close();
});

/** Packs a package that is good but for what is done to its directory. */
async function packed(spoil: (directory: string) => Promise<unknown>): Promise<string> {
  if (own === undefined) throw new Error(`there is no package for ${process.arch}`);
  const directory = join(await scope.directory(), 'package');
  const manifest = platformManifest(own);
  beginPackage(directory, manifest, 'A package.');
  await writeFile(join(directory, 'criu_native.node'), await readFile(plain));
  const purl = 'pkg:npm/other@1.0.0';
  writeSbom(directory, manifest, [{ name: 'other', version: '1.0.0', license: 'MIT', purl }]);
  await spoil(directory);
  return pack(directory, join(directory, '..'));
}

/** Changes the manifest of a package. */
async function alter(directory: string, change: Record<string, unknown>): Promise<void> {
  const file = join(directory, 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...manifest, ...change }));
}

test('a good package passes, with what was seen', async () => {
  const told = await checkPackage(await packed(async () => {}), []);
  expect(told).toEqual([
    `1 programs and libraries are for ${process.arch} with glibc`,
    `${sbomName} has 1 of others`,
  ]);
});

test.each<[string, string | RegExp, (directory: string) => Promise<unknown>]>([
  ['no licence', 'has no licence', (directory) => rm(join(directory, 'LICENSE'))],
  ['a log', 'has package/build.log', (directory) => writeFile(join(directory, 'build.log'), '')],
  [
    'a program for another processor',
    `criu_native.node is for ${process.arch}`,
    (directory) => alter(directory, { cpu: [process.arch === 'x64' ? 'arm64' : 'x64'] }),
  ],
  [
    'a program that needs a library that is not in it',
    'criu_native.node needs libstdc++.so.6',
    async (directory) => writeFile(join(directory, 'criu_native.node'), await readFile(demanding)),
  ],
  [
    'a program for another C library',
    /needs .*libc\.so\.6/,
    async (directory) => {
      await writeFile(join(directory, 'criu_native.node'), await readFile(demanding));
      await alter(directory, { libc: ['musl'] });
    },
  ],
  [
    'nothing that was built',
    'has nothing that was built',
    async (directory) => {
      await rm(join(directory, 'criu_native.node'));
      await writeFile(join(directory, 'index.js'), '');
      await alter(directory, { main: 'index.js' });
    },
  ],
  [
    'a licence without its text',
    'has no text of the licence of other',
    async (directory) => {
      const file = join(directory, sbomName);
      const text = await readFile(file, 'utf8');
      const license = '{ "license": { "name": "licenses/other.txt" } }';
      await writeFile(file, text.replace(/\{\s*"expression": "MIT"\s*\}/, license));
    },
  ],
])('one with %s is refused', async (_, sentence, spoil) => {
  await expect(packed(spoil).then((file) => checkPackage(file, []))).rejects.toThrow(sentence);
});

test('the main one is refused when it goes with others than are published', async () => {
  const directory = join(await scope.directory(), 'main');
  await mkdir(directory);
  const manifest = { name: 'libcriu', version: '0.1.0', license: 'MIT', main: 'index.js' };
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(directory, 'index.js'), 'module.exports = 1;\n');
  await writeFile(join(directory, 'LICENSE'), 'MIT');
  const file = await pack(directory, directory);
  await expect(checkPackage(file, ['@libcriu/linux-x64-gnu'])).rejects.toThrow(
    'does not go with @libcriu/linux-x64-gnu alone',
  );
});
