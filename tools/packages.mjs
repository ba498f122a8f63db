// @ts-check
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { capture, findCommand, run, StepError } from './process.mjs';

/**
 * What the package and its tests need from the system: whether it is there, and the Debian package
 * that brings it. Presence is asked of the files, which costs nothing and leaves alone what was
 * installed by other means.
 *
 * @typedef {object} Need
 * @property {string} package
 * @property {() => boolean} isMet
 */

/** @type {(name: string, debianPackage?: string) => Need} */
const command = (name, debianPackage = name) => ({
  package: debianPackage,
  isMet: () => findCommand(name) !== undefined,
});

/** @type {readonly Need[]} */
export const runtimeNeeds = [
  // CRIU locks the network of what it dumps with one of these, and archives tmpfs with tar.
  command('iptables-restore', 'iptables'),
  command('nft', 'nftables'),
  command('tar'),
  command('gzip'),
];

/** What node-gyp needs to build the addon. @type {readonly Need[]} */
export const addonBuildNeeds = [
  command('gcc'),
  command('g++'),
  command('make'),
  command('python3'),
  { package: 'libc6-dev', isMet: () => existsSync('/usr/include/stdio.h') },
];

/** @type {readonly Need[]} */
export const developmentNeeds = [
  ...runtimeNeeds,
  // The containers of the demo and of the tests.
  command('runc'),
  command('crun'),
  { package: 'busybox-static', isMet: hasStaticBusybox },
  // The engines whose containers the tests save.
  command('dockerd', 'docker.io'),
  command('docker', 'docker.io'),
  command('podman'),
  command('ctr', 'containerd'),
  // The tests: workloads, namespaces, what is traced and compared.
  command('ip', 'iproute2'),
  command('openssl'),
  command('strace'),
  command('setpriv', 'util-linux'),
  command('script', 'bsdutils'),
  // The shells whose completions are tried, and what reads the manual pages.
  command('bash'),
  command('zsh'),
  command('fish'),
  command('mandoc'),
  command('protoc', 'protobuf-compiler'),
  // CRIU's definitions of its images, and crit, which reads images by them.
  {
    package: 'libprotobuf-dev',
    isMet: () => existsSync('/usr/include/google/protobuf/descriptor.proto'),
  },
  {
    package: 'python3-protobuf',
    isMet: () => existsSync('/usr/lib/python3/dist-packages/google/protobuf/__init__.py'),
  },
  // The packages with native code, and the systems in which they are built and tried.
  command('mmdebstrap'),
  command('patchelf'),
  command('readelf', 'binutils'),
  // What another C library than ours offers.
  { package: 'musl', isMet: () => findMusl() !== undefined },
  // The tests on another kernel. What there is to boot is an x64 one.
  ...(process.arch === 'x64'
    ? [command('qemu-system-x86_64', 'qemu-system-x86'), command('mkfs.ext4', 'e2fsprogs')]
    : []),
  ...addonBuildNeeds,
  // The linters.
  command('cmake'),
  command('clang-tidy'),
  // The fuzzing of native/. libFuzzer comes by itself with no package of clang's.
  command('clang++', 'clang'),
  { package: 'libclang-rt-14-dev', isMet: hasLibFuzzer },
];

/** The C library of Alpine, as Debian has it. @returns {string | undefined} */
export function findMusl() {
  const processor = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const file = `/lib/ld-musl-${processor}.so.1`;
  return existsSync(file) ? file : undefined;
}

// It lies beside the compiler, in a directory that has its version in its name.
function hasLibFuzzer() {
  const compiler = findCommand('clang++');
  if (compiler === undefined) return false;
  const versions = join(dirname(realpathSync(compiler)), '../lib/clang');
  const libraries = readdirSync(versions).map((version) => join(versions, version, 'lib/linux'));
  return libraries.some(
    (directory) =>
      existsSync(directory) &&
      readdirSync(directory).some((name) => name.startsWith('libclang_rt.fuzzer')),
  );
}

// A container's root file system holds nothing but busybox, so it must not need a dynamic loader.
function hasStaticBusybox() {
  const file = findCommand('busybox');
  if (file === undefined) {
    return false;
  }
  const descriptor = openSync(file, 'r');
  try {
    // The loader's path stands right behind the program headers.
    const head = Buffer.alloc(4096);
    readSync(descriptor, head, 0, head.length, 0);
    return !head.includes('/ld-');
  } finally {
    closeSync(descriptor);
  }
}

/** @param {readonly Need[]} needs */
export function missingPackages(needs) {
  return [...new Set(needs.filter((need) => !need.isMet()).map((need) => need.package))];
}

/**
 * Of some Debian packages those that are not installed.
 *
 * @param {readonly string[]} names
 */
export async function notInstalled(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const format = '${Package} ${db:Status-Status}\n';
  const { stdout } = await capture('dpkg-query', ['--show', `--showformat=${format}`, ...names]);
  const installed = stdout.split('\n').filter((line) => line.endsWith(' installed'));
  return names.filter((name) => !installed.includes(`${name} installed`));
}

export function hasApt() {
  return findCommand('apt-get') !== undefined && findCommand('dpkg-query') !== undefined;
}

/**
 * Stops with the list of what a person has to install, where we cannot do it.
 *
 * @param {readonly string[]} names
 */
export function requireApt(names) {
  const list = `${names.join(' ')} (Debian's names)`;
  if (!hasApt()) {
    throw new StepError(
      `no package manager that set-up knows (apt-get). Install these and run it again: ${list}`,
    );
  }
  if (process.geteuid?.() !== 0) {
    throw new StepError(`not root. Run set-up as root, or install these first: ${list}`);
  }
}

let updated = false;

/** Whether the package lists were fetched by this process. */
export const listsAreUpdated = () => updated;

/** Fetches the package lists, once. @param {string} logFile */
export async function updateLists(logFile) {
  if (!updated) {
    await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update'], { logFile });
    updated = true;
  }
}

/**
 * Installs packages without ever removing one that is there.
 *
 * @param {readonly string[]} names
 * @param {string} logFile
 */
export async function install(names, logFile) {
  requireApt(names);
  await updateLists(logFile);
  const options = [
    '-o',
    'DPkg::Lock::Timeout=300',
    '--yes',
    '--no-install-recommends',
    '--no-remove',
  ];
  await run('apt-get', [...options, 'install', ...names], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    logFile,
  });
}

/**
 * The version of a package that would be installed, upstream's part of it.
 *
 * @param {string} name
 * @returns {Promise<string | undefined>}
 */
export async function candidateVersion(name) {
  const { stdout } = await capture('apt-cache', ['show', '--no-all-versions', name]);
  return /^Version: (?:\d+:)?([\d.]+)/m.exec(stdout)?.[1];
}

/** Base addresses of the archives that this machine installs from. */
export async function archives() {
  const { stdout } = await capture('apt-get', ['indextargets', '--format', '$(REPO_URI)']);
  return [...new Set(stdout.split('\n').filter(Boolean))];
}

/**
 * Downloads through apt, with the proxy and the transports that it is configured for.
 *
 * @param {string} address
 * @param {string} file
 * @param {string} logFile
 */
export async function download(address, file, logFile) {
  await run('/usr/lib/apt/apt-helper', ['download-file', address, file], { logFile });
}
