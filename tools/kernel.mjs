// @ts-check
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { moveTo, unpackPackage } from './debian-package.mjs';
import { ownRelease } from './debian-root.mjs';
import { ForeignPackages } from './foreign-package.mjs';
import { hasApt, listsAreUpdated, updateLists } from './packages.mjs';
import { root } from './paths.mjs';
import { capture, run, StepError } from './process.mjs';

/** Debian's name for its newest kernel for virtual machines; it depends on the package that has it. */
const metaPackage = 'linux-image-cloud-amd64';

/** The unpacked package of the kernel that test/vm boots. */
export const kernelDirectory = join(root, '.kernel');

/** What set-up can do about it: elsewhere the tests that need it tell what is missing. */
export const kernelCanBeFetched = () => process.arch === 'x64' && hasApt();

/**
 * Where the kernel is and which one it is; undefined when it was not fetched.
 *
 * @param {string} [directory] where it was unpacked
 * @returns {{image: string, directory: string, version: string} | undefined}
 */
export function findKernel(directory = kernelDirectory) {
  const modules = join(directory, 'lib/modules');
  const [version] = existsSync(modules) ? readdirSync(modules) : [];
  return version === undefined
    ? undefined
    : { image: join(directory, `boot/vmlinuz-${version}`), directory, version };
}

/**
 * Fetches the kernel's package with apt, which verifies it, and unpacks it. Nothing is installed.
 *
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function fetchKernel(workDirectory, logFile) {
  let name = await kernelPackage();
  if (name === undefined && !listsAreUpdated()) {
    await updateLists(logFile);
    name = await kernelPackage();
  }
  if (name === undefined) {
    throw new StepError(`apt knows no package ${metaPackage}`);
  }
  const tree = await unpackPackage(name, workDirectory, logFile);
  // An installed one gets its list of modules by its postinst script.
  const [version = ''] = readdirSync(join(tree, 'lib/modules'));
  await run('busybox', ['depmod', '-b', tree, version], { logFile });
  await moveTo(tree, kernelDirectory, logFile);
}

/** The package that has the kernel itself. @returns {Promise<string | undefined>} */
async function kernelPackage() {
  const { stdout } = await capture('apt-cache', ['depends', metaPackage]);
  return /^ *Depends: (linux-image-\S+)$/m.exec(stdout)?.[1];
}

/** A kernel for arm64, with a static busybox, which set-up does not need: `npm run test:support` fetches them. */
export const arm64KernelDirectory = join(root, '.kernel-arm64');

/**
 * Fetches these, of the release of Debian that this machine has.
 *
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function fetchArm64Kernel(workDirectory, logFile) {
  const packages = new ForeignPackages('arm64', join(workDirectory, 'arm64'));
  await packages.update(ownRelease(), logFile);
  const tree = join(workDirectory, 'kernel-arm64');
  mkdirSync(tree);
  const kernel = await packages.dependencyOf('linux-image-cloud-arm64');
  for (const name of [kernel, 'busybox-static']) await packages.unpack(name, tree, logFile);
  const [version = ''] = readdirSync(join(tree, 'lib/modules'));
  await run('busybox', ['depmod', '-b', tree, version], { logFile });
  await moveTo(tree, arm64KernelDirectory, logFile);
}
