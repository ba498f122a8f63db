// @ts-check
// A machine that boots Debian with systemd as its init and nothing but cgroup v2, as most users have it,
// for the tests in test/vm. Its disk is made once; the package comes on a disk of its own, for each run.
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { installDebian } from './debian-root.mjs';
import { fingerprint, readNote } from './fingerprint.mjs';
import { findKernel } from './kernel.mjs';
import { root } from './paths.mjs';
import { capture, findCommand, run, StepError } from './process.mjs';
import { endProgram, filesOfSystem, initOfInitramfs, masked } from './systemd-files.mjs';

/**
 * Which packages a machine has: `plain` is for runc and services, `engines` also has podman and docker.
 *
 * @typedef {'plain' | 'engines'} Flavour
 */

const directory = '.systemd';

/** @type {readonly string[]} */
const plainPackages = [
  'busybox-static',
  'crun',
  'dbus',
  'iproute2',
  'iptables',
  'kmod',
  'nftables',
  'procps',
  'runc',
  'systemd-sysv',
  'udev',
  'util-linux',
];

/** @type {Readonly<Record<Flavour, readonly string[]>>} */
const packages = {
  plain: plainPackages,
  engines: [...plainPackages, 'apparmor', 'conmon', 'containerd', 'docker.io', 'podman'],
};

/** What the kernel needs to mount the disks, in the order in which it can be loaded. */
const diskModules = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_blk',
];

/** It is sparse, and what a run writes goes elsewhere. */
const diskSize = '4G';

/**
 * What is booted; undefined when it was not made, or of other things.
 *
 * @param {Flavour} flavour
 * @returns {{disk: string, initramfs: string} | undefined}
 */
export function findSystemdMachine(flavour) {
  const kernel = findKernel();
  if (kernel === undefined || readNote(join(directory, flavour, 'made-of')) !== recipe(flavour)) {
    return undefined;
  }
  const place = join(root, directory, flavour);
  return { disk: join(place, 'disk'), initramfs: join(place, 'initramfs') };
}

/** @param {Flavour} flavour */
function recipe(flavour) {
  const files = JSON.stringify([filesOfSystem, masked, initOfInitramfs, diskModules]);
  return fingerprint([], [suite(), findKernel()?.version ?? '', files, ...packages[flavour]]);
}

/** The release of Debian that this machine has, so that its programs run in the other one, too. */
function suite() {
  const text = readFileSync('/etc/os-release', 'utf8');
  return /^VERSION_CODENAME=(\S+)$/m.exec(text)?.[1] ?? '';
}

/**
 * Makes the disk and the initramfs; both appear at once when they are complete.
 *
 * @param {Flavour} flavour
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function makeSystemdMachine(flavour, workDirectory, logFile) {
  const kernel = findKernel();
  if (kernel === undefined) throw new StepError('there is no kernel to boot it with');
  const tree = join(workDirectory, `systemd-${flavour}`);
  await installDebian(suite(), tree, packages[flavour], logFile);
  await addModules(tree, kernel, logFile);
  configure(tree);
  const place = join(root, directory, flavour);
  const draft = `${place}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  await makeDisk(tree, join(draft, 'disk'), diskSize, logFile);
  await makeInitramfs(kernel, workDirectory, join(draft, 'initramfs'), logFile);
  writeFileSync(join(draft, 'made-of'), recipe(flavour));
  rmSync(place, { recursive: true, force: true });
  renameSync(draft, place);
  rmSync(tree, { recursive: true, force: true });
}

/** @typedef {NonNullable<ReturnType<typeof findKernel>>} Kernel */

/** @type {(tree: string, kernel: Kernel, logFile: string) => Promise<void>} */
async function addModules(tree, { directory: from, version }, logFile) {
  const to = join(tree, 'usr/lib/modules');
  mkdirSync(to, { recursive: true });
  await run('cp', ['-a', join(from, 'lib/modules', version), to], { logFile });
  // busybox's depmod makes no modules.dep.bin, which udev and modprobe read.
  await run('chroot', [tree, 'depmod', version], { logFile });
}

/** @param {string} tree */
function configure(tree) {
  const units = join(tree, 'etc/systemd/system');
  // Nothing is started but what the tests start.
  for (const name of readdirSync(units)) {
    if (name.endsWith('.wants')) rmSync(join(units, name), { recursive: true });
  }
  for (const name of masked) link('/dev/null', join(units, name));
  for (const [path, text] of Object.entries(filesOfSystem)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  chmodSync(join(tree, endProgram), 0o755);
  for (const name of ['multi-user.target.wants', '../../../host', '../../../libcriu']) {
    mkdirSync(join(units, name), { recursive: true });
  }
  link('../libcriu-tests.service', join(units, 'multi-user.target.wants/libcriu-tests.service'));
  // The program itself comes with the package.
  link('/host/usr/bin/node', join(tree, 'usr/bin/node'));
}

/** @param {string} target @param {string} path */
function link(target, path) {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/**
 * Makes a file with an ext4 file system that has the content of a directory.
 *
 * @param {string} tree
 * @param {string} file
 * @param {string} size
 * @param {string} [logFile]
 */
export async function makeDisk(tree, file, size, logFile) {
  const features = ['-O', '^has_journal', '-E', 'lazy_itable_init=1'];
  await run('truncate', ['-s', size, file], { logFile });
  await run(mkfs(), ['-q', '-F', ...features, '-d', tree, file], { logFile });
}

function mkfs() {
  const program = findCommand('mkfs.ext4');
  if (program === undefined) throw new StepError('there is no mkfs.ext4');
  return program;
}

/** @type {(kernel: Kernel, workDirectory: string, file: string, logFile: string) => Promise<void>} */
async function makeInitramfs({ directory: from, version }, workDirectory, file, logFile) {
  const staging = join(workDirectory, 'initramfs');
  rmSync(staging, { recursive: true, force: true });
  for (const name of ['bin', 'dev', 'proc', 'sys', 'root', 'modules']) {
    mkdirSync(join(staging, name), { recursive: true });
  }
  copyFileSync(findCommand('busybox') ?? '', join(staging, 'bin/busybox'));
  for (const [index, name] of diskModules.entries()) {
    const path = await moduleFile(join(from, 'lib/modules', version), name);
    copyFileSync(path, join(staging, 'modules', `${index}-${basename(path)}`));
  }
  writeFileSync(join(staging, 'init'), initOfInitramfs);
  chmodSync(join(staging, 'init'), 0o755);
  const pack = 'find . | busybox cpio -o -H newc -F "$0"';
  await run('sh', ['-c', pack, file], { cwd: staging, logFile });
}

/** @param {string} directory @param {string} name */
async function moduleFile(directory, name) {
  const { stdout } = await capture('find', [directory, '-name', `${name}.ko`]);
  const [file] = stdout.split('\n');
  if (!file) throw new StepError(`the kernel has no module ${name}, or a compressed one`);
  return file;
}
