// @ts-check
// The packages with native code that are installed beside this one: what is in them, and for which system.
// lib/native/platform.ts has their names in calls of `require`, and a test that they are the same.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './paths.mjs';

/** @typedef {'x64' | 'arm64'} Architecture */
/** @typedef {'glibc' | 'musl'} Libc */

/**
 * A package with the addon and its programs.
 *
 * @typedef {object} Platform
 * @property {string} name
 * @property {string} directory where it is made, below npm/
 * @property {Architecture} cpu
 * @property {Libc} libc as npm calls it
 */

const scope = '@libcriu/';

/** @type {(cpu: Architecture, libc: Libc) => Platform} */
function platform(cpu, libc) {
  const directory = `linux-${cpu}-${libc === 'glibc' ? 'gnu' : 'musl'}`;
  return { name: scope + directory, directory, cpu, libc };
}

/** @type {readonly Platform[]} */
export const platforms = [
  platform('x64', 'glibc'),
  platform('x64', 'musl'),
  platform('arm64', 'glibc'),
  platform('arm64', 'musl'),
];

/**
 * A package with CRIU. It is built for glibc, so it has the same C library as the programs of most
 * systems; Alpine has its own.
 *
 * @type {readonly Omit<Platform, 'libc'>[]}
 */
export const criuPackages = ['x64', 'arm64'].map((cpu) => ({
  name: `${scope}criu-linux-${cpu}`,
  directory: `criu-linux-${cpu}`,
  cpu: /** @type {Architecture} */ (cpu),
}));

const require = createRequire(join(root, 'package.json'));

/** The files beside the addon, which it runs or has others load. */
export const addonFiles = [
  'criu_native.node',
  'criu_guard',
  'criu_detach',
  'criu_layer',
  'criu_init',
  'criu_empty_tables.so',
  'criu_parallel_pages.so',
  'criu_tar_in_place.so',
  'criu_no_io_uring.so',
  'tar-first/tar',
  'criu-first/criu',
];

/**
 * The addons in packages for this processor that are installed.
 *
 * @returns {string[]} their paths
 */
export function installedAddons() {
  return platforms
    .filter(({ cpu }) => cpu === process.arch)
    .flatMap(({ name }) => resolve(name) ?? []);
}

/**
 * The prefix in the package with CRIU that is installed, if it is.
 *
 * @returns {string | undefined}
 */
export function installedCriu() {
  const found = criuPackages.find(({ cpu }) => cpu === process.arch);
  const manifest = found && resolve(`${found.name}/package.json`);
  return manifest === undefined ? undefined : dirname(manifest);
}

/** @param {string} name */
function resolve(name) {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
