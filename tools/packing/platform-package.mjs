// @ts-check
// The package with the addon and its programs.
import { chmodSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../paths.mjs';
import { addonFiles } from '../platforms.mjs';
import { compilerOf, neededBy } from './elf.mjs';
import { nodeHeaders, nodePrefix, runInRoot } from './in-root.mjs';
import { beginPackage, platformManifest } from './manifests.mjs';
import { writeSbom } from './sbom.mjs';

const source = '/libcriu';

/**
 * Builds the addon and its programs in a root file system, by the same binding.gyp as everywhere.
 *
 * @param {string} tree
 * @param {{cpu: string, toolchain: import('./build-root.mjs').Toolchain}} target
 * @param {string} output an empty directory, which becomes `build`
 * @param {string | undefined} logFile
 * @returns {Promise<string>} the directory of what was built
 */
export async function buildInRoot(tree, { cpu, toolchain }, output, logFile) {
  const build = join(root, 'build');
  mkdirSync(build, { recursive: true });
  const gyp = `${source}/node_modules/node-gyp/bin/node-gyp.js`;
  const { script, variables } = toolchain;
  if (script !== undefined) {
    const binds = [{ from: import.meta.dirname, to: '/packing' }];
    const [file, ...words] = script;
    await runInRoot(tree, binds, ['sh', `/packing/${file}`, ...words], logFile);
  }
  const settings = { GYP_DEFINES: 'werror=false portable=true', ...variables };
  const command = ['node', gyp, 'configure', 'build', '--release', '--jobs=max'];
  await runInRoot(
    tree,
    [
      nodeHeaders(),
      { from: root, to: source },
      { from: output, to: `${source}/build`, writable: true },
    ],
    [
      'env',
      `--chdir=${source}`,
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
      ...command,
      `--nodedir=${nodePrefix}`,
      `--arch=${cpu}`,
    ],
    logFile,
  );
  return join(output, 'Release');
}

/**
 * What of others is in an addon: the C++ library when no file of that is needed.
 *
 * @param {string} file
 * @returns {Promise<import('./sbom.mjs').Component[]>}
 */
async function componentsOf(file) {
  const { version = '' } = JSON.parse(
    readFileSync(join(root, 'node_modules/node-addon-api/package.json'), 'utf8'),
  );
  const headers = {
    name: 'node-addon-api',
    version,
    license: 'MIT',
    purl: `pkg:npm/node-addon-api@${version}`,
  };
  const compiler = await compilerOf(file);
  if (compiler === undefined || (await neededBy(file)).includes('libstdc++.so.6')) return [headers];
  const libraries = ['libstdc++', 'libgcc'].map((name) => ({
    name,
    version: compiler,
    license: 'GPL-3.0-or-later WITH GCC-exception-3.1',
    purl: `pkg:generic/${encodeURIComponent(name)}@${compiler}`,
  }));
  return [headers, ...libraries];
}

/**
 * Makes the package of what was built.
 *
 * @param {import('../platforms.mjs').Platform} platform
 * @param {string} built
 * @param {string} directory
 */
export async function makePlatformPackage(platform, built, directory) {
  const text =
    'This package is installed with `libcriu`, on systems for ' +
    'which it is. It has nothing that is used by itself.';
  beginPackage(directory, platformManifest(platform), text);
  for (const name of addonFiles) {
    const file = join(directory, name);
    mkdirSync(dirname(file), { recursive: true });
    cpSync(join(built, name), file);
    chmodSync(file, 0o755);
  }
  const [addon = ''] = addonFiles;
  writeSbom(directory, platformManifest(platform), await componentsOf(join(directory, addon)));
}
