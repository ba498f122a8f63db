// @ts-check
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { dirname, join } from 'node:path';
import { archives, candidateVersion, download, install, notInstalled } from './packages.mjs';
import { root } from './paths.mjs';
import { installedCriu } from './platforms.mjs';
import { capture, findCommand, run, StepError } from './process.mjs';

/** Where the CRIU that we build ourselves is put; lib/criu/locate.ts looks there. */
export const prefix = join(root, '.criu');

/**
 * Each CRIU that we build has a directory in here for its cache of what it found out about the kernel,
 * which it uses on a tmpfs only.
 */
const runDirectory = '/run/criu';

// The first that the archive still has is built.
const releases = [
  {
    version: '4.2.1',
    sha256: '29ec0ee09e296479fe7048c80980e8ef1d0684d0b0204c2b101dfea19f6725b9',
  },
  {
    version: '4.1.1',
    sha256: 'f80a66cb3726bb2116266d4759ce3bcbfab7abdb6b6d430bf20dd41911717afe',
  },
];

/** What builds CRIU. */
export const buildPackages = [
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
  'xz-utils',
];

/**
 * The oldest CRIU that works on a kernel: from 6.13 on, older ones cannot read what it says of
 * processes.
 *
 * @param {string} kernel as `uname -r` prints it
 */
export function minimumVersion(kernel) {
  return isAtLeast(kernel, '6.13') ? '4.1' : '3.16';
}

/**
 * @param {string} version
 * @param {string} minimum
 */
export function isAtLeast(version, minimum) {
  const numbers = version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, part] of minimum.split('.').entries()) {
    const difference = (numbers[index] ?? 0) - Number(part);
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}

/** The version of a criu program. @param {string} binary */
export async function versionOf(binary) {
  const { stdout } = await capture(binary, ['--version']);
  return /^Version: ([\d.]+)/m.exec(stdout)?.[1];
}

/**
 * Whether some usable CRIU is there already, in the order in which the package looks for one.
 *
 * @returns {Promise<'environment' | 'built' | 'package' | 'system' | undefined>}
 */
export async function findCriu() {
  const asked = process.env['LIBCRIU_PREFIX'];
  if (asked) {
    const binary = [join(asked, 'sbin/criu'), join(asked, 'bin/criu')].find((file) =>
      existsSync(file),
    );
    if (binary === undefined || (await versionOf(binary)) === undefined) {
      throw new StepError(`LIBCRIU_PREFIX is ${asked}, but no criu runs from its sbin or bin`);
    }
    return 'environment';
  }
  if (existsSync(prefix)) {
    // A finished build is complete (it was moved here as a whole), but libraries that it needs
    // may be gone, or a newer release may be pinned.
    const version = await versionOf(join(prefix, 'sbin/criu'));
    const known = releases.some((pinned) => pinned.version === version);
    const complete = known && existsSync(join(prefix, 'lib/libcriu.so.2'));
    return complete && hasOwnKernelDataDirectory() ? 'built' : undefined;
  }
  if (await packagedCriuIsGood()) return 'package';
  return (await systemCriuIsGood()) ? 'system' : undefined;
}

// It may have been built for another C library than this system's.
async function packagedCriuIsGood() {
  const packaged = installedCriu();
  return packaged !== undefined && (await versionOf(join(packaged, 'sbin/criu'))) !== undefined;
}

async function systemCriuIsGood() {
  const binary = findCommand('criu');
  if (binary === undefined || !(await systemHasLibrary())) {
    return false;
  }
  const version = await versionOf(binary);
  if (version === undefined || !isAtLeast(version, minimumVersion(release()))) {
    return false;
  }
  return (await capture(binary, ['check'])).status === 0;
}

async function systemHasLibrary() {
  const { stdout } = await capture(findCommand('ldconfig') ?? 'ldconfig', ['--print-cache']);
  return stdout.includes('libcriu.so.2 ');
}

/**
 * The distribution's CRIU, when it is new enough for this kernel.
 *
 * @param {string} logFile
 * @returns {Promise<boolean>} whether it is installed now and good
 */
export async function installFromDistribution(logFile) {
  const candidate = await candidateVersion('criu');
  if (candidate === undefined || !isAtLeast(candidate, minimumVersion(release()))) {
    return false;
  }
  // Where the library is a package of its own, criu does not depend on it.
  const library = (await candidateVersion('libcriu2')) === undefined ? [] : ['libcriu2'];
  await install(['criu', ...library], logFile);
  return systemCriuIsGood();
}

/** Build needs that are missing. */
export function missingBuildPackages() {
  return notInstalled(buildPackages);
}

/**
 * Where an older pinned release is built for the tests, beside the newest.
 *
 * @param {string} version
 */
export const prefixOfOlder = (version) => join(root, `.criu-${version}`);

/** The pinned releases but the newest, which is the one that is used. */
export const olderReleases = releases.slice(1).map(({ version }) => version);

/**
 * Builds a pinned release. Its directory appears with everything in it or not at all, so that an interrupted
 * build is never taken for a finished one.
 *
 * @param {string} workDirectory an empty one, which the caller removes
 * @param {string} logFile
 * @param {{place?: string, only?: string}} [which] where it is built; the version, without which it is the newest
 * @returns {Promise<string>} the version that was built
 */
export async function buildCriu(workDirectory, logFile, { place = prefix, only } = {}) {
  if (/[^\w./+@:,-]/.test(place)) {
    throw new StepError(`CRIU's makefiles cannot install into ${place}: use a path without spaces`);
  }
  const { version, sha256, archive } = await fetchSource(workDirectory, logFile, only);

  const source = join(workDirectory, 'source');
  const tree = join(workDirectory, 'tree');
  mkdirSync(source);
  await run('tar', ['-xf', archive, '-C', source, '--strip-components=1', '--no-same-owner'], {
    logFile,
  });
  const variables = [
    `PREFIX=${place}`,
    `LIBDIR=${place}/lib`,
    `RUNDIR=${newKernelDataDirectory({ version, sha256, prefix: place, builtAt: new Date() })}`,
    'SKIP_PIP_INSTALL=1',
  ];
  const env = buildEnvironment();
  await run('make', [`-j${availableParallelism()}`, ...variables], { cwd: source, env, logFile });
  await run('make', ['install-criu', 'install-lib', `DESTDIR=${tree}`, ...variables], {
    cwd: source,
    env,
    logFile,
  });

  // The work directory may lie on another file system, from which nothing can be renamed.
  const partial = `${place}.partial`;
  const old = `${place}.old`;
  rmSync(partial, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
  cpSync(join(tree, place), partial, { recursive: true, verbatimSymlinks: true });
  const built = await versionOf(join(partial, 'sbin/criu'));
  if (built !== version) {
    throw new StepError(`the criu that was built says it is ${built ?? 'nothing'}, not ${version}`);
  }
  if (existsSync(place)) {
    renameSync(place, old);
  }
  renameSync(partial, place);
  rmSync(old, { recursive: true, force: true });
  return version;
}

// CRIU's makefiles read variables of general names (V, DEBUG, ...), and make exports its own flags.
function buildEnvironment() {
  const { PATH, HOME, TMPDIR, LANG } = process.env;
  // /usr/bin first: python3-protobuf belongs to the distribution's Python, not to one beside it.
  return { PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${PATH}`, HOME, TMPDIR, LANG };
}

/**
 * Downloads the source of the newest pinned release that the archive still has.
 *
 * @param {string} workDirectory
 * @param {string} logFile
 * @param {string} [only] the version that it is to be of
 */
export async function fetchSource(workDirectory, logFile, only) {
  const bases = await archives();
  const seen = [];
  const wanted = releases.filter(({ version }) => only === undefined || version === only);
  for (const { version, sha256 } of wanted) {
    const name = `criu_${version}.orig.tar.xz`;
    for (const base of bases) {
      const archive = join(workDirectory, name);
      try {
        await download(new URL(`pool/main/c/criu/${name}`, base).href, archive, logFile);
      } catch {
        continue;
      }
      const actual = createHash('sha256').update(readFileSync(archive)).digest('hex');
      if (actual === sha256) {
        return { version, sha256, archive };
      }
      seen.push(`${name} has SHA-256 ${actual}, not ${sha256}`);
      rmSync(archive);
    }
  }
  const names = wanted.map((pinned) => pinned.version).join(' or ');
  throw new StepError(
    `no source of CRIU ${names} in the ${bases.length} archives of apt's configuration` +
      `${seen.length > 0 ? ` (${seen.join('; ')})` : ''}. Install criu ${minimumVersion(release())} ` +
      'or newer with libcriu.so.2, or name its prefix in LIBCRIU_PREFIX',
  );
}

const tmpfsMagic = 0x01021994;

/**
 * The directory for the cache of a CRIU that is about to be built. CRIU replaces the cache of any
 * other build, and probes the kernel again when another build has replaced its own: so no two builds
 * share one.
 *
 * @param {{version: string, sha256: string, prefix: string, builtAt: Date}} build
 */
export function newKernelDataDirectory({ version, sha256, prefix, builtAt }) {
  const identity = JSON.stringify([sha256, prefix, builtAt.toISOString()]);
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 12);
  return join(runDirectory, `${version}-${hash}`);
}

/**
 * The directory of a criu program's cache, which is compiled into it.
 *
 * @param {string} binary
 * @returns {string | undefined} undefined when the program names none
 */
export function kernelDataDirectory(binary) {
  const program = readFileSync(binary);
  const end = program.indexOf('/criu.kdat\0');
  return end < 0
    ? undefined
    : program.subarray(program.lastIndexOf(0, end) + 1, end).toString('utf8');
}

/** The directory of the cache of the CRIU in {@link prefix}, or in the package that has one. */
function ownKernelDataDirectory() {
  const place = existsSync(prefix) ? prefix : (installedCriu() ?? prefix);
  return kernelDataDirectory(join(place, 'sbin/criu')) ?? runDirectory;
}

function hasOwnKernelDataDirectory() {
  return dirname(ownKernelDataDirectory()) === runDirectory;
}

/** @param {string} path */
function isOnTmpfs(path) {
  return existsSync(path) && statfsSync(path).type === tmpfsMagic;
}

/** Whether the CRIU that we built finds its cache directory, closed to everyone but root. */
export function runDirectoryIsReady() {
  return [runDirectory, ownKernelDataDirectory()].every((directory) => {
    if (!isOnTmpfs(directory)) {
      return false;
    }
    const { mode, uid } = statSync(directory);
    return uid === 0 && (mode & 0o022) === 0;
  });
}

/** @param {string} logFile */
export async function prepareRunDirectory(logFile) {
  if (process.geteuid?.() !== 0) {
    throw new StepError(`not root. Run set-up as root: it mounts a tmpfs at ${runDirectory}`);
  }
  makePrivate(runDirectory);
  if (!isOnTmpfs(runDirectory)) {
    const options = 'mode=0700,size=1m,nosuid,nodev,noexec';
    await run('mount', ['-t', 'tmpfs', '-o', options, 'criu', runDirectory], { logFile });
  }
  makePrivate(ownKernelDataDirectory());
}

/** @param {string} directory */
function makePrivate(directory) {
  mkdirSync(directory, { mode: 0o700, recursive: true });
  chownSync(directory, 0, 0);
  chmodSync(directory, 0o700);
}
