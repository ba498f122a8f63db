// @ts-check
// The packages of this version for this system: the main one, and those with native code.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, readNote } from '../fingerprint.mjs';
import { nodeVersion } from '../node-releases.mjs';
import { root } from '../paths.mjs';
import { addonFiles, criuPackages, platforms } from '../platforms.mjs';
import { StepError } from '../process.mjs';
import { makeRoot, toolchainFor } from './build-root.mjs';
import { buildCriuInRoot, findCriuHere, makeCriuPackage } from './criu-package.mjs';
import { hasUnwindTable, symbolsOf } from './elf.mjs';
import { makeMainPackage, pack } from './main-package.mjs';
import { packagesDirectory, packedName } from './manifests.mjs';
import { buildInRoot, makePlatformPackage } from './platform-package.mjs';
import { missingFrom, newerThan, otherLibraries } from './symbols.mjs';
import { tryCriu, tryOnProcessor, tryWithMusl } from './try-addon.mjs';

/**
 * Does a piece of work and tells of it.
 *
 * @typedef {<T>(title: string, work: () => Promise<T>) => Promise<T>} Step
 */

/**
 * Where native code comes from: built in the oldest Debian that it is for, or what was built on this machine,
 * for this machine alone.
 *
 * @typedef {'debian' | 'here'} Origin
 */

/** @type {readonly Origin[]} */
const origins = ['debian', 'here'];

/**
 * @typedef {object} Workplace
 * @property {string} workDirectory
 * @property {string} logFile
 * @property {Step} step
 */

/**
 * A package that is made here.
 *
 * @typedef {object} Package
 * @property {string} name
 * @property {string} directory
 * @property {readonly string[]} inputs
 * @property {readonly string[]} [settings] what else decides on its content
 * @property {(directory: string, origin: Origin, workplace: Workplace) => Promise<void>} make
 */

const tools = ['tools/packing', 'tools/platforms.mjs', 'package.json'];

/** What of docs/ is packed. What makes the site lies there too, and what was made. */
function pages() {
  const files = readdirSync(join(root, 'docs')).filter((name) => /\.(?:md|svg)$/.test(name));
  return [...files, 'guides', 'uses'].map((name) => `docs/${name}`);
}

/** The system that we are on, as the directory of its package is called. */
const ownSystem = `linux-${process.arch}-gnu`;

/** The names of all packages with native code. */
const allNames = [...platforms, ...criuPackages].map(({ name }) => name);

/**
 * The main package, and those for systems.
 *
 * @param {readonly string[]} [systems]
 * @param {readonly string[]} [listed] the names of those that npm installs with the main one
 * @returns {readonly Package[]}
 */
function packages(systems = [ownSystem], listed = allNames) {
  return [mainPackage(listed), ...systems.flatMap(packagesFor)];
}

/** @param {readonly string[]} listed @returns {Package} */
function mainPackage(listed) {
  const sources = ['lib', 'native', 'scripts', 'tools', 'README.md', 'CHANGELOG.md'];
  return {
    name: 'libcriu',
    directory: 'libcriu',
    inputs: [...tools, ...sources, ...pages()],
    settings: listed,
    make: (directory, _, { workDirectory, logFile }) =>
      makeMainPackage(directory, listed, workDirectory, logFile),
  };
}

/** The addon, and CRIU, which is built for glibc. @param {string} system @returns {Package[]} */
function packagesFor(system) {
  const platform = platforms.find(({ directory }) => directory === system);
  if (platform === undefined) {
    const names = platforms.map(({ directory }) => directory).join(', ');
    throw new StepError(`there are no packages for ${system}: expected one of ${names}`);
  }
  /** @type {Package} */
  const addon = {
    ...platform,
    inputs: [...tools, 'native', 'binding.gyp'],
    make: (directory, origin, workplace) => makePlatform(platform, directory, origin, workplace),
  };
  const crius = criuPackages.filter(({ cpu }) => platform.libc === 'glibc' && cpu === platform.cpu);
  return [
    addon,
    ...crius.map((criu) => ({
      ...criu,
      inputs: [...tools, 'tools/criu.mjs'],
      /** @type {Package['make']} */
      make: (directory, origin, workplace) =>
        makeCriu(criu, toolchainOf(platform, origin), directory, workplace),
    })),
  ];
}

/**
 * The systems whose packages can be made on this machine, this one first, and why those of others cannot.
 *
 * @returns {{systems: string[], names: string[], leftOut: {system: string, reason: string}[]}}
 */
export function makeableHere() {
  const systems = [ownSystem];
  const leftOut = [];
  for (const platform of platforms) {
    const { directory: system } = platform;
    if (system === ownSystem) continue;
    try {
      toolchainFor(platform);
      systems.push(system);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      leftOut.push({ system, reason: error.message });
    }
  }
  const names = systems.flatMap(packagesFor).map(({ name }) => name);
  return { systems, names: allNames.filter((name) => names.includes(name)), leftOut };
}

/**
 * The files of packages that are made of the present sources.
 *
 * @param {readonly string[]} [systems]
 * @param {readonly string[]} [listed]
 * @returns {{origin: Origin, files: string[]} | undefined} undefined when one is missing
 */
export function findPackages(systems, listed) {
  const all = packages(systems, listed);
  const origin = origins.find((one) => all.every((each) => isCurrent(each, one)));
  if (origin === undefined) return undefined;
  return { origin, files: all.map(({ name }) => join(packagesDirectory, packedName(name))) };
}

/**
 * Makes and packs those that are not there.
 *
 * @param {Origin} origin
 * @param {Workplace} workplace
 * @param {readonly string[]} [systems] others than this one
 * @param {readonly string[]} [listed]
 * @returns {Promise<string[]>} the files of all
 */
export async function makePackages(origin, workplace, systems, listed) {
  mkdirSync(packagesDirectory, { recursive: true });
  const files = [];
  for (const one of packages(systems, listed)) {
    const file = join(packagesDirectory, packedName(one.name));
    if (!isCurrent(one, origin)) {
      const directory = join(packagesDirectory, one.directory);
      const note = madeOf(one, origin);
      for (const old of [noteFile(one), directory, file])
        rmSync(old, { recursive: true, force: true });
      await one.make(directory, origin, workplace);
      await pack(directory, packagesDirectory);
      writeFileSync(noteFile(one), note);
    }
    files.push(file);
  }
  return files;
}

/**
 * Makes the package with the addon for another system, and loads it as far as can be done here.
 *
 * @param {string} system
 * @param {readonly NodeMajor[]} majors of Node.js
 * @param {Workplace} workplace
 * @returns {Promise<(string | null)[]>} those in which it was loaded; null where it was loaded without Node.js
 */
export async function loadPackage(system, majors, workplace) {
  await makePackages('debian', workplace, [system]);
  const platform = platforms.find(({ directory }) => directory === system);
  if (platform === undefined) return [];
  const toolchain = toolchainFor(platform);
  const tree = await buildTree(toolchain.contents, workplace);
  const directory = join(packagesDirectory, system);
  return tryAddon(platform, { directory, tree, toolchain, majors }, workplace);
}

/** @type {(one: Package, origin: Origin) => boolean} */
function isCurrent(one, origin) {
  const file = join(packagesDirectory, packedName(one.name));
  return existsSync(file) && readNote(`npm/${one.directory}.made-of`) === madeOf(one, origin);
}

/** @param {Package} one */
const noteFile = ({ directory }) => join(packagesDirectory, `${directory}.made-of`);

/** @type {(one: Package, origin: Origin) => string} */
const madeOf = ({ directory, inputs, settings }, origin) =>
  `${directory === 'libcriu' ? 'any' : origin} ${fingerprint(inputs, settings)}`;

/** @typedef {import('../platforms.mjs').Platform} Platform */
/** @typedef {import('../node-releases.mjs').NodeMajor} NodeMajor */
/** @typedef {import('./build-root.mjs').Toolchain} Toolchain */

/** @type {(platform: Platform, origin: Origin) => Toolchain | undefined} */
const toolchainOf = (platform, origin) => (origin === 'here' ? undefined : toolchainFor(platform));

/** @type {(platform: Platform, directory: string, origin: Origin, workplace: Workplace) => Promise<void>} */
async function makePlatform(platform, directory, origin, workplace) {
  const { workDirectory, logFile, step } = workplace;
  const toolchain = toolchainOf(platform, origin);
  if (toolchain === undefined) {
    await makePlatformPackage(platform, join(root, 'build/Release'), directory);
    return;
  }
  const { cpu } = platform;
  const tree = await buildTree(toolchain.contents, workplace);
  const output = mkdtempSync(join(workDirectory, 'addon-'));
  const built = await step(`build the addon for ${platform.directory}`, () =>
    buildInRoot(tree, { cpu, toolchain }, output, logFile),
  );
  await makePlatformPackage(platform, built, directory);
  await requirePortable(platform, directory, tree);
  /** @type {readonly NodeMajor[]} */
  const majors = [20];
  if (platform.directory === ownSystem) return;
  await step('load it', () =>
    tryAddon(platform, { directory, tree, toolchain, majors }, workplace),
  );
}

/** @type {(platform: Platform, what: {directory: string, tree: string, toolchain: Toolchain, majors: readonly NodeMajor[]}, workplace: Workplace) => Promise<(string | null)[]>} */
async function tryAddon({ cpu, libc }, { directory, tree, toolchain, majors }, workplace) {
  const { emulator } = toolchain;
  if (libc === 'musl') {
    await tryWithMusl(directory, tree, toolchain, workplace);
    return [null];
  }
  if (emulator === undefined) return [];
  for (const major of majors) {
    await tryOnProcessor(cpu, { directory, tree, emulator, major }, workplace);
  }
  return majors.map(nodeVersion);
}

/** @type {(criu: (typeof criuPackages)[number], toolchain: Toolchain | undefined, directory: string, workplace: Workplace) => Promise<void>} */
async function makeCriu(criu, toolchain, directory, workplace) {
  const { workDirectory, logFile, step } = workplace;
  if (toolchain === undefined) {
    await makeCriuPackage(criu, await findCriuHere(workDirectory, logFile), directory, logFile);
    return;
  }
  const tree = await buildTree(toolchain.contents, workplace);
  const built = await step(`build CRIU for ${criu.cpu}`, () =>
    buildCriuInRoot(tree, criu, toolchain, workDirectory, logFile),
  );
  await makeCriuPackage(criu, built, directory, logFile);
  const { emulator } = toolchain;
  const { version } = built;
  await tryCriu(directory, tree, emulator === undefined ? { version } : { version, emulator });
}

/** @type {(contents: import('./build-root.mjs').Contents, workplace: Workplace) => Promise<string>} */
function buildTree(contents, { workDirectory, logFile, step }) {
  return step(`install Debian's ${contents.release}`, () =>
    makeRoot(contents, workDirectory, logFile),
  );
}

/**
 * Nothing in a package may need more than the oldest system has, whatever built it.
 *
 * @param {import('../platforms.mjs').Platform} platform
 * @param {string} directory
 * @param {string} tree where it was built
 */
async function requirePortable({ cpu, libc }, directory, tree) {
  const processor = cpu === 'arm64' ? 'aarch64' : 'x86_64';
  const ofMusl =
    libc === 'musl' ? await symbolsOf(join(tree, `lib/ld-musl-${processor}.so.1`)) : undefined;
  for (const name of addonFiles) {
    const file = join(directory, name);
    const faults =
      ofMusl === undefined
        ? [...(await newerThan(file)), ...(await otherLibraries(file))]
        : [...(await missingFrom(file, ofMusl)), ...(await otherLibraries(file, /^libc\.so$/))];
    if (!(await hasUnwindTable(file))) faults.push('a table for exceptions');
    if (faults.length > 0) throw new StepError(`${name} needs ${faults.join(', ')}`);
  }
}
