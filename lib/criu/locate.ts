import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { CriuError } from '../base/errors.js';
import { isInPackage, packageRoot, setUpCommand } from '../base/package-root.js';
import { findIn, isDirectory, isFile } from '../linux/paths.js';
import { requireTrusted } from '../linux/trusted.js';
import { installedCriu } from '../native/platform.js';

/**
 * Which CRIU to use. Without any of its paths it is looked for in `LIBCRIU_PREFIX`, then in the
 * prefix that set-up has built, then in the package `@libcriu/criu-linux-*`, then in the system.
 */
export interface CriuSettings {
  /** A directory with `sbin/criu` and `lib/libcriu.so.2`. */
  prefix?: string;
  /** Absolute path of the criu program; overrides the prefix's. */
  binary?: string;
  /** Path of `libcriu.so.2`; overrides the prefix's. */
  library?: string;
  /**
   * Socket of a running `criu service` to use instead of starting criu. It must be in our mount
   * namespace. CRIU's authors no longer support a service that runs as root.
   */
  service?: string;
  /**
   * Spare `criu swrk` processes kept ready, so that a dump starts none; 0 to the number of cores.
   *
   * @defaultValue 1
   */
  workers?: number;
  /**
   * Operations that run at a time; the others wait their turn.
   *
   * @defaultValue the number of cores, shared with all instances that do not set it
   */
  concurrency?: number;
}

/** The program and the library that were chosen. */
export interface Installation {
  /** Empty when there is a service. */
  binary: string;
  library: string;
  service?: string;
}

const libraryName = 'libcriu.so.2';
const libraryDirectories = [
  'lib',
  'lib64',
  `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
];
const systemDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin'];

/**
 * Finds criu and libcriu in the documented order, and makes sure that nobody but root and this user
 * can have written them.
 *
 * @throws CriuError `ERR_CRIU_NOT_FOUND`, `ERR_CRIU_LIBRARY_NOT_FOUND`, `ERR_CRIU_PERMISSION`,
 * `ERR_UNTRUSTED_PATH`
 */
export async function locate(
  settings: CriuSettings,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Installation> {
  const found = await find(settings, environment);
  const { binary, library, service } = found;
  if (service === undefined) await requireOwn('the criu program', binary);
  else await requireOwn('the socket of the criu service', service);
  // A name without a directory is looked up by the dynamic loader, as the libraries of Node are.
  if (library.includes('/')) await requireOwn('the library', library);
  return found;
}

async function requireOwn(what: string, path: string): Promise<void> {
  if (!isInPackage(path)) await requireTrusted(what, path);
}

async function find(settings: CriuSettings, environment: NodeJS.ProcessEnv): Promise<Installation> {
  const asked = settings.prefix ?? (environment['LIBCRIU_PREFIX'] || undefined);
  const prefix = asked ?? (await packagePrefix());
  if (settings.service !== undefined) {
    return {
      binary: '',
      library: settings.library ?? (await findLibrary(prefix)),
      service: settings.service,
    };
  }
  return {
    binary: settings.binary
      ? await checkBinary(settings.binary)
      : await findBinary(prefix, environment),
    library: settings.library ?? (await findLibrary(prefix)),
  };
}

/**
 * Where set-up puts the CRIU that it builds, if it has built one, else the package that has one in it.
 * Either comes before the system's: its version is one that we know, and it is there to be used.
 */
async function packagePrefix(): Promise<string | undefined> {
  const root = packageRoot();
  const prefix = root === undefined ? undefined : join(root, '.criu');
  if (prefix !== undefined && (await isDirectory(prefix))) return prefix;
  const manifest = installedCriu();
  return manifest === undefined ? undefined : dirname(manifest);
}

async function findBinary(
  prefix: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const directories = prefix
    ? [join(prefix, 'sbin'), join(prefix, 'bin')]
    : [...(environment['PATH'] ?? '').split(delimiter).filter(isAbsolute), ...systemDirectories];
  // One that cannot be executed is told of, rather than another one run that nobody meant.
  const path = await findIn(directories, 'criu', isFile);
  if (path !== undefined) return await checkBinary(path);
  throw new CriuError(
    'ERR_CRIU_NOT_FOUND',
    prefix
      ? `No criu program in ${directories.join(' or ')}`
      : `No criu program found: run ${setUpCommand()}, install criu, or set LIBCRIU_PREFIX`,
  );
}

async function findLibrary(prefix: string | undefined): Promise<string> {
  if (!prefix) return libraryName; // The loader searches the system for it.
  const directories = libraryDirectories.map((directory) => join(prefix, directory));
  const path = await findIn(directories, libraryName, isFile);
  if (path !== undefined) return path;
  throw new CriuError('ERR_CRIU_LIBRARY_NOT_FOUND', `No ${libraryName} in ${join(prefix, 'lib')}`);
}

async function checkBinary(binary: string): Promise<string> {
  if (!(await isFile(binary))) {
    throw new CriuError('ERR_CRIU_NOT_FOUND', `No criu program at ${binary}`);
  }
  try {
    await access(binary, constants.X_OK);
  } catch (cause) {
    throw new CriuError('ERR_CRIU_PERMISSION', `The criu program ${binary} is not executable`, {
      cause,
    });
  }
  return binary;
}
