// @ts-check
// The oldest Debian whose C library the packages are for, with what builds them. What is built there runs on
// every newer system.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
  packages: [
    'binutils',
    'g++',
    'gcc',
    'libbsd-dev',
    'libc6-dev',
    'libcap-dev',
    'libgnutls28-dev',
    'libnet1-dev',
    'libnftables-dev',
    'libnl-3-dev',
    'libnl-route-3-dev',
    'libprotobuf-c-dev',
    'libprotobuf-dev',
    'make',
    'pkg-config',
    'protobuf-c-compiler',
    'protobuf-compiler',
    'python3',
    'python3-protobuf',
    'uuid-dev',
  ],
};

/** The same Debian with a compiler that builds for another processor, without what CRIU needs. */
const crossRoots = {
  arm64: { prefix: 'aarch64-linux-gnu', packages: ['g++-aarch64-linux-gnu', 'make', 'python3'] },
};

/**
 * What builds the addon for a processor.
 *
 * @typedef {object} Toolchain
 * @property {Contents} contents of the root in which it is
 * @property {string | undefined} prefix of its programs, if it builds for another processor than this
 */

/**
 * @param {import('../platforms.mjs').Architecture} cpu
 * @returns {Toolchain}
 */
export function toolchainFor(cpu) {
  if (cpu === process.arch) return { contents: buildRoot, prefix: undefined };
  if (!(cpu in crossRoots)) {
    throw new StepError(`there is no compiler here that builds for ${cpu}`);
  }
  const { prefix, packages } = crossRoots[/** @type {keyof typeof crossRoots} */ (cpu)];
  const contents = { name: `build-${cpu}`, release: buildRoot.release, packages };
  return { contents, prefix };
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
