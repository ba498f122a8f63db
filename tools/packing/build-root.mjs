// @ts-check
// The oldest Debian whose C library the packages are for, with what builds them. What is built there runs on
// every newer system.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackages } from '../criu.mjs';
import { moveTo } from '../debian-package.mjs';
import { installDebian } from '../debian-root.mjs';
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
 * @property {string} [script] makes it, of what is in that root
 * @property {Readonly<Record<string, string>>} variables which name its programs
 * @property {string} [libraries] where in the root those of the other system are
 */

const crossCompiler = 'aarch64-linux-gnu';

/** By the directory of the package that it builds. @type {Readonly<Record<string, Toolchain>>} */
const otherToolchains = {
  'linux-arm64-gnu': {
    contents: {
      name: 'build-arm64',
      release: buildRoot.release,
      packages: [`g++-${crossCompiler}`, 'make', 'python3'],
    },
    variables: {
      CC: `${crossCompiler}-gcc`,
      CXX: `${crossCompiler}-g++`,
      LINK: `${crossCompiler}-g++`,
      AR: `${crossCompiler}-ar`,
    },
    libraries: `usr/${crossCompiler}`,
  },
  'linux-x64-musl': {
    contents: {
      name: 'build-musl',
      release: buildRoot.release,
      packages: ['g++', 'gcc-10-source', 'make', 'musl-tools', 'python3', 'xz-utils'],
    },
    script: 'musl-compiler.sh',
    variables: { CC: 'musl-gcc', CXX: '/opt/musl/bin/c++', LINK: '/opt/musl/bin/c++', AR: 'ar' },
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

/** The release of Debian that this machine has. */
function ownRelease() {
  const name = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (name === undefined) throw new StepError('/etc/os-release does not name a release');
  return name;
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
