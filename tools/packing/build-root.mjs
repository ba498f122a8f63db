// @ts-check
// The oldest Debian whose C library the packages are for, with what builds them. What is built there runs on
// every newer system.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackages } from '../criu.mjs';
import { moveTo } from '../debian-package.mjs';
import { installDebian, ownRelease } from '../debian-root.mjs';
import { fingerprint, readNote } from '../fingerprint.mjs';
import { root } from '../paths.mjs';
import { StepError } from '../process.mjs';

const directory = '.pack';

/**
 * A root file system, by what is in it.
 *
 * @typedef {{name: string, release: string, packages: readonly string[]}} Contents
 */

/** Debian 11, with glibc 2.31 and g++ 10. @type {Contents} */
export const buildRoot = {
  name: 'build',
  release: 'bullseye',
  packages: ['binutils', 'g++', ...buildPackages],
};

/**
 * What builds the addon for a system.
 *
 * @typedef {object} Toolchain
 * @property {Contents} contents of the root in which it is
 * @property {readonly string[]} [script] makes it, of what is in that root: a file of this directory, with its words
 * @property {Readonly<Record<string, string>>} variables which name its programs
 * @property {string} [prefix] what stands before the names of the other programs
 * @property {string} [emulator] runs there what was built
 */

const crossCompiler = 'aarch64-linux-gnu';

/** What a C++ library for musl is made of. */
const ofMusl = ['g++', 'gcc-10-source', 'make', 'musl-tools', 'python3', 'xz-utils'];

/**
 * Debian 11 with what builds for arm64, and the libraries that CRIU needs there.
 *
 * @type {Contents}
 */
const arm64Root = {
  name: 'build-arm64',
  release: buildRoot.release,
  packages: [
    'binutils',
    `g++-${crossCompiler}`,
    'musl-dev:arm64',
    'qemu-user-static',
    ...ofMusl,
    ...buildPackages
      .map((name) => (name.endsWith('-dev') ? `${name}:arm64` : name))
      .filter((name) => !ofMusl.includes(name)),
  ],
};

const ofArm64 = {
  contents: arm64Root,
  prefix: `${crossCompiler}-`,
  emulator: 'qemu-aarch64-static',
};

/** By the directory of the package that it builds. @type {Readonly<Record<string, Toolchain>>} */
const otherToolchains = {
  'linux-arm64-gnu': {
    ...ofArm64,
    variables: {
      CC: `${crossCompiler}-gcc`,
      CXX: `${crossCompiler}-g++`,
      LINK: `${crossCompiler}-g++`,
      AR: `${crossCompiler}-ar`,
    },
  },
  'linux-arm64-musl': {
    ...ofArm64,
    script: ['musl-compiler.sh', 'aarch64', `${crossCompiler}-`],
    variables: {
      CC: '/opt/musl/bin/cc',
      CXX: '/opt/musl/bin/c++',
      LINK: '/opt/musl/bin/c++',
      AR: `${crossCompiler}-ar`,
    },
  },
  'linux-x64-musl': {
    contents: { name: 'build-musl', release: buildRoot.release, packages: ofMusl },
    script: ['musl-compiler.sh', 'x86_64', ''],
    variables: {
      CC: '/opt/musl/bin/cc',
      CXX: '/opt/musl/bin/c++',
      LINK: '/opt/musl/bin/c++',
      AR: 'ar',
    },
  },
};

/**
 * @param {import('../platforms.mjs').Platform} platform
 * @returns {Toolchain}
 */
export function toolchainFor(platform) {
  const { name, cpu, libc } = platform;
  if (cpu === process.arch && libc === 'glibc') return { contents: buildRoot, variables: {} };
  // They are programs of x64.
  const found = process.arch === 'x64' ? otherToolchains[platform.directory] : undefined;
  if (found === undefined) throw new StepError(`there is no compiler here for ${name}`);
  return found;
}

/**
 * One in which nothing is of what builds the packages, to install them in: with a container runtime, and what
 * CRIU runs. It is as old as what was built for it.
 *
 * @param {import('./packages.mjs').Origin} origin
 * @returns {Contents}
 */
export function cleanRootOf(origin) {
  const release = origin === 'debian' ? buildRoot.release : ownRelease();
  return { name: `clean-${release}`, release, packages: ['iptables', 'runc'] };
}

/**
 * The path of a root file system that was installed.
 *
 * @param {Contents} contents
 * @returns {string | undefined} undefined when it is not there, or was made of other packages
 */
export function findRoot({ name, release, packages }) {
  const place = join(directory, name);
  const isThere = readNote(join(place, 'usr/made-of')) === recipe(release, packages);
  return isThere ? join(root, place) : undefined;
}

/** @type {(release: string, packages: readonly string[]) => string} */
const recipe = (release, packages) => fingerprint([], [release, ...packages]);

/**
 * The path of a root file system, which is installed if it is not there.
 *
 * @param {Contents} contents
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function makeRoot(contents, workDirectory, logFile) {
  const found = findRoot(contents);
  if (found !== undefined) return found;
  const { name, release, packages } = contents;
  const tree = join(workDirectory, name);
  const place = join(root, directory, name);
  mkdirSync(tree);
  await installDebian(release, tree, packages, logFile);
  writeFileSync(join(tree, 'usr/made-of'), recipe(release, packages));
  mkdirSync(join(root, directory), { recursive: true });
  await moveTo(tree, place, logFile);
  rmSync(tree, { recursive: true, force: true });
  return place;
}
