// @ts-check
// What package.json says in each package, from the table of platforms and the package.json of this one.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../paths.mjs';

/** @typedef {Record<string, unknown>} Manifest */

/** Where all packages are made. */
export const packagesDirectory = join(root, 'npm');

/** @returns {Manifest & {version: string}} */
function ownManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/** The name of the file that npm packs a package to. @param {string} name */
export function packedName(name) {
  return `${name.replace(/^@/, '').replace('/', '-')}-${ownManifest().version}.tgz`;
}

/** @param {import('../platforms.mjs').Platform} platform @returns {Manifest} */
export function platformManifest({ name, cpu, libc }) {
  return {
    ...common(name, cpu),
    description: `The native addon of libcriu, and its programs, for Linux on ${cpu} with ${libc}`,
    license: 'MIT',
    type: 'commonjs',
    libc: [libc],
    main: 'criu_native.node',
  };
}

/** @param {(typeof import('../platforms.mjs').criuPackages)[number]} criu @returns {Manifest} */
export function criuManifest({ name, cpu }) {
  return {
    ...common(name, cpu),
    description: `CRIU and libcriu for Linux on ${cpu}, for the package libcriu`,
    license: 'SEE LICENSE IN licenses/README.md',
    libc: ['glibc'],
  };
}

/** @param {string} name @param {string} cpu @returns {Manifest} */
function common(name, cpu) {
  const { version, engines } = ownManifest();
  return { name, version, engines, os: ['linux'], cpu: [cpu], preferUnplugged: true };
}

/**
 * The package.json of the main package as it is published: with the packages that this version goes with,
 * and without what only a clone of the repository needs. They cannot stand in the repository's own, because
 * npm ci asks the registry for each, also for those that are not there yet.
 *
 * @param {readonly string[]} names of those packages
 * @returns {Manifest}
 */
export function mainManifest(names) {
  const { devDependencies: _, scripts: __, ...manifest } = ownManifest();
  return {
    ...manifest,
    optionalDependencies: Object.fromEntries(names.map((name) => [name, manifest.version])),
  };
}

/** @param {string} directory @param {Manifest} manifest */
export function writeManifest(directory, manifest) {
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Begins a package: its directory, with its package.json and what a reader needs to know.
 *
 * @param {string} directory
 * @param {Manifest} manifest
 * @param {string} text
 */
export function beginPackage(directory, manifest, text) {
  mkdirSync(directory, { recursive: true });
  writeManifest(directory, manifest);
  writeFileSync(join(directory, 'README.md'), `# ${manifest['name']}\n\n${text}\n`);
  if (manifest['license'] === 'MIT') cpSync(join(root, 'LICENSE'), join(directory, 'LICENSE'));
}
