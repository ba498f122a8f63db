import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { exists } from '../linux/paths.js';
import { isTrustedDirectory, requireTrusted } from '../linux/trusted.js';
import { nativeFile, nativeTarDirectory } from '../native/addon.js';
import { checkConfigFile } from './config-file.js';

/** Where criu's helpers (tar, iptables, ip) are, should the caller have no `PATH`. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The options of a dump that decide on criu's environment. */
interface EnvironmentSettings {
  tar?: 'system' | 'native' | undefined;
  conntrack?: 'present' | 'always' | undefined;
}

/**
 * What criu needs of our environment, `NAME=value` each: nothing that a caller set for Node
 * (LD_PRELOAD) reaches it, and nothing that leads it to what another user can have written. Without
 * options it is that of a dump with the default ones, so that the spare of one operation fits the next.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` for plugins of another user.
 */
export async function criuEnvironment({
  tar,
  conntrack,
}: EnvironmentSettings = {}): Promise<string[]> {
  const { CRIU_CONFIG_FILE, CRIU_LIBS_DIR } = process.env;
  const path = await trustedPath();
  if (CRIU_LIBS_DIR && !(await isTrusted(CRIU_LIBS_DIR))) {
    await requireTrusted('the directory of CRIU_LIBS_DIR', CRIU_LIBS_DIR);
  }
  const variables = {
    PATH: tar === 'native' ? nativeTarDirectory() + delimiter + path : path,
    HOME: await trustedHome(),
    CRIU_CONFIG_FILE: CRIU_CONFIG_FILE && resolve(CRIU_CONFIG_FILE),
    CRIU_LIBS_DIR: CRIU_LIBS_DIR && resolve(CRIU_LIBS_DIR),
    LD_PRELOAD: conntrack === 'always' ? undefined : preloadable('criu_empty_conntrack.so'),
  };
  return Object.entries(variables).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${value}`],
  );
}

/**
 * The directories of `PATH` in which nobody but root and this user can put a program; criu runs what
 * it finds there. Others are left out, for hardly anything is ever looked for in all of them.
 */
export async function trustedPath(): Promise<string> {
  const { PATH = systemPath } = process.env;
  const directories = PATH.split(delimiter).filter(isAbsolute);
  const verdicts = await Promise.all(directories.map(isTrusted));
  return directories.filter((_, index) => verdicts[index]).join(delimiter);
}

/** Our environment for a container runtime, which finds criu in this directory first. */
export async function runtimeEnvironment(criuDirectory: string): Promise<NodeJS.ProcessEnv> {
  const PATH = [criuDirectory, await trustedPath()].join(delimiter);
  return { ...process.env, PATH, HOME: await trustedHome() };
}

/** CRIU's own configuration files, in the order in which it reads them. */
export function ownConfigFiles(): readonly string[] {
  const { HOME, CRIU_CONFIG_FILE } = process.env;
  return [
    '/etc/criu/default.conf',
    ...(HOME !== undefined && isAbsolute(HOME) ? [join(HOME, '.criu/default.conf')] : []),
    ...(CRIU_CONFIG_FILE ? [resolve(CRIU_CONFIG_FILE)] : []),
  ];
}

/**
 * Makes sure that CRIU's own configuration files leave a request what it is.
 *
 * @throws CriuError as {@link checkConfigFile} does.
 */
export async function checkOwnConfigFiles(): Promise<void> {
  const { HOME = '' } = process.env;
  for (const file of ownConfigFiles()) {
    // Of another user's home directory criu is not told, so that only a file that is there counts.
    const isLeftOut = file === join(HOME, '.criu/default.conf') && !(await isTrusted(HOME));
    if (!isLeftOut || (await exists(file))) await checkConfigFile(file, 'before');
  }
}

async function trustedHome(): Promise<string | undefined> {
  const { HOME = '' } = process.env;
  return isAbsolute(HOME) && (await isTrusted(HOME)) ? HOME : undefined;
}

/** Directories that have been found trusted: only root and this user can change that. */
const trusted = new Set<string>();

async function isTrusted(directory: string): Promise<boolean> {
  if (trusted.has(directory)) return true;
  const found = await isTrustedDirectory(directory);
  if (found && isAbsolute(directory)) trusted.add(directory);
  return found;
}

/** The list of what is preloaded has no way to quote a path. */
function preloadable(name: string): string | undefined {
  const file = nativeFile(name);
  return /[\s:]/.test(file) ? undefined : file;
}
