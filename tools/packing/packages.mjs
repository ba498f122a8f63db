// @ts-check
// The packages of this version for this system: the main one, and those with native code.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, readNote } from '../fingerprint.mjs';
import { root } from '../paths.mjs';
import { addonFiles, criuPackages, platforms } from '../platforms.mjs';
import { StepError } from '../process.mjs';
import { buildRoot, makeRoot, toolchainFor } from './build-root.mjs';
import { buildCriuInRoot, findCriuHere, makeCriuPackage } from './criu-package.mjs';
import { hasUnwindTable, symbolsOf } from './elf.mjs';
import { makeMainPackage, pack } from './main-package.mjs';
import { packagesDirectory, packedName } from './manifests.mjs';
import { buildInRoot, makePlatformPackage } from './platform-package.mjs';
import { missingFrom, newerThan, otherLibraries } from './symbols.mjs';
import { tryOnProcessor, tryWithMusl } from './try-addon.mjs';

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

/**
 * The main package, and those for a system. CRIU is built for this one alone.
 *
 * @param {string} [system]
 * @returns {readonly Package[]}
 */
function packages(system = ownSystem) {
  const platform = platforms.find(({ directory }) => directory === system);
  const criu = criuPackages.find(({ cpu }) => cpu === process.arch);
  if (platform === undefined || criu === undefined) {
    const names = platforms.map(({ directory }) => directory).join(', ');
    throw new StepError(`there are no packages for ${system}: expected one of ${names}`);
  }
  /** @type {readonly Package[]} */
  const all = [
    {
      name: 'libcriu',
      directory: 'libcriu',
      inputs: [
        ...tools,
        'lib',
        'native',
        'scripts',
        'tools',
        'README.md',
        'CHANGELOG.md',
        ...pages(),
      ],
      make: (directory, _, { workDirectory, logFile }) =>
        makeMainPackage(directory, workDirectory, logFile),
    },
    {
      ...platform,
      inputs: [...tools, 'native', 'binding.gyp'],
      make: (directory, origin, workplace) => makePlatform(platform, directory, origin, workplace),
    },
    {
      ...criu,
      inputs: [...tools, 'tools/criu.mjs'],
      make: (directory, origin, workplace) => makeCriu(criu, directory, origin, workplace),
    },
  ];
  return system === ownSystem ? all : all.slice(0, 2);
}

/**
 * The files of packages that are made of the present sources.
 *
 * @returns {{origin: Origin, files: string[]} | undefined} undefined when one is missing
 */
export function findPackages() {
  const origin = origins.find((one) => packages().every((each) => isCurrent(each, one)));
  if (origin === undefined) return undefined;
  return { origin, files: packages().map(({ name }) => join(packagesDirectory, packedName(name))) };
}

/**
 * Makes and packs those that are not there.
 *
 * @param {Origin} origin
 * @param {Workplace} workplace
 * @param {string} [system] another than this one
 * @returns {Promise<string[]>} the files of all
 */
export async function makePackages(origin, workplace, system) {
  mkdirSync(packagesDirectory, { recursive: true });
  const files = [];
  for (const one of packages(system)) {
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

/** @type {(one: Package, origin: Origin) => boolean} */
function isCurrent(one, origin) {
  const file = join(packagesDirectory, packedName(one.name));
  return existsSync(file) && readNote(`npm/${one.directory}.made-of`) === madeOf(one, origin);
}

/** @param {Package} one */
const noteFile = ({ directory }) => join(packagesDirectory, `${directory}.made-of`);

/** @type {(one: Package, origin: Origin) => string} */
const madeOf = ({ directory, inputs }, origin) =>
  `${directory === 'libcriu' ? 'any' : origin} ${fingerprint(inputs)}`;

/** @type {(platform: import('../platforms.mjs').Platform, directory: string, origin: Origin, workplace: Workplace) => Promise<void>} */
async function makePlatform(platform, directory, origin, workplace) {
  const { workDirectory, logFile, step } = workplace;
  if (origin === 'here') {
    makePlatformPackage(platform, join(root, 'build/Release'), directory);
    return;
  }
  const { cpu } = platform;
  const toolchain = toolchainFor(platform);
  const tree = await buildTree(toolchain.contents, workplace);
  const output = mkdtempSync(join(workDirectory, 'addon-'));
  const built = await step(`build the addon for ${platform.directory}`, () =>
    buildInRoot(tree, { cpu, toolchain }, output, logFile),
  );
  makePlatformPackage(platform, built, directory);
  await requirePortable(platform, directory, tree);
  const { libraries } = toolchain;
  if (libraries !== undefined) {
    await step('load it in an emulator', () =>
      tryOnProcessor(cpu, directory, join(tree, libraries), workplace),
    );
  } else if (platform.libc === 'musl') {
    await step("load it by musl's loader", () => tryWithMusl(tree, directory, workplace));
  }
}

/** @type {(criu: (typeof criuPackages)[number], directory: string, origin: Origin, workplace: Workplace) => Promise<void>} */
async function makeCriu(criu, directory, origin, workplace) {
  const { workDirectory, logFile, step } = workplace;
  if (origin === 'here') {
    await makeCriuPackage(criu, await findCriuHere(workDirectory, logFile), directory, logFile);
    return;
  }
  const tree = await buildTree(buildRoot, workplace);
  const built = await step('build CRIU', () =>
    buildCriuInRoot(tree, criu.name, workDirectory, logFile),
  );
  await makeCriuPackage(criu, built, directory, logFile);
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
async function requirePortable({ libc }, directory, tree) {
  const ofMusl =
    libc === 'musl' ? await symbolsOf(join(tree, 'lib/ld-musl-x86_64.so.1')) : undefined;
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
