// @ts-check
// The root file systems of newer releases of Debian, with their engines, for `npm run test:engines`.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { moveTo } from './debian-package.mjs';
import { installDebian } from './debian-root.mjs';
import { fingerprint, readNote } from './fingerprint.mjs';
import { root } from './paths.mjs';

const directory = '.engines';
/**
 * Releases with newer engines than this machine's: podman 5.4, docker 26 and containerd 1.7 in trixie, podman
 * 5.8, docker 28 and containerd 2.1 in forky.
 *
 * @type {readonly ['trixie', 'forky']}
 */
export const enginesReleases = ['trixie', 'forky'];

/** @typedef {(typeof enginesReleases)[number]} EnginesRelease */

const packages = [
  'busybox-static',
  'ca-certificates',
  'checkpointctl',
  'containerd',
  'crun',
  'docker-cli',
  'docker.io',
  'iproute2',
  'iptables',
  'nftables',
  'podman',
  'procps',
  'runc',
  'util-linux',
];

/** @param {EnginesRelease} release */
const recipe = (release) => fingerprint([], [release, ...packages]);

/**
 * The root file system of a release; undefined when it was not made, or of other packages.
 *
 * @param {EnginesRelease} release
 */
export function findEnginesRoot(release) {
  const place = join(directory, release);
  return readNote(join(place, 'usr/made-of')) === recipe(release) ? join(root, place) : undefined;
}

/**
 * @param {EnginesRelease} release
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function makeEnginesRoot(release, workDirectory, logFile) {
  const tree = join(workDirectory, release);
  mkdirSync(tree);
  await installDebian(release, tree, packages, logFile);
  writeFileSync(join(tree, 'usr/made-of'), recipe(release));
  mkdirSync(join(root, directory), { recursive: true });
  await moveTo(tree, join(root, directory, release), logFile);
  rmSync(tree, { recursive: true, force: true });
}
