// @ts-check
// The root file system of the next Debian, with its engines, for `npm run test:engines`.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { moveTo } from './debian-package.mjs';
import { installDebian } from './debian-root.mjs';
import { fingerprint, readNote } from './fingerprint.mjs';
import { root } from './paths.mjs';

const directory = '.engines';
const note = join(directory, 'usr/made-of');

/** The next release of Debian, with newer engines than those of this one. */
const release = 'trixie';

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
  // What our criu is linked with.
  'libbsd0',
  'libgnutls30',
  'libnet1',
  'libnftables1',
  'libnl-3-200',
  'libprotobuf-c1',
  'nftables',
  'podman',
  'procps',
  'runc',
  'util-linux',
];

const recipe = fingerprint([], [release, ...packages]);

/** The root file system of the next Debian; undefined when it was not made, or of other packages. */
export function findEnginesRoot() {
  return readNote(note) === recipe ? join(root, directory) : undefined;
}

/**
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function makeEnginesRoot(workDirectory, logFile) {
  const tree = join(workDirectory, 'engines');
  mkdirSync(tree);
  await installDebian(release, tree, packages, logFile);
  writeFileSync(join(tree, 'usr/made-of'), recipe);
  await moveTo(tree, join(root, directory), logFile);
  rmSync(tree, { recursive: true, force: true });
}
