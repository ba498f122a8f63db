// @ts-check
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { moveTo, unpackPackage } from './debian-package.mjs';
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
 * @returns {{image: string, directory: string, version: string} | undefined}
 */
export function findKernel() {
  const modules = join(kernelDirectory, 'lib/modules');
  const [version] = existsSync(modules) ? readdirSync(modules) : [];
  return version === undefined
    ? undefined
    : {
        image: join(kernelDirectory, `boot/vmlinuz-${version}`),
        directory: kernelDirectory,
        version,
      };
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
