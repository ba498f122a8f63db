import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { type FileState, isUnchanged, isUnchangedNow, stateOf } from '../linux/file-state.js';
import { requireKnownTrusted } from '../linux/known-trusted.js';
import { isTrustedDirectory, requireTrusted } from '../linux/trusted.js';
import { nativeAddon, nativeFile, nativeTarDirectory } from '../native/addon.js';
import { type CheckedConfig, checkConfigFile, knownConfig } from './config-file.js';
import { type CriuVersion, isOlder } from './program.js';

/** Where criu's helpers (tar, iptables, ip) are, should the caller have no `PATH`. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What decides on criu's environment: options of a dump, and where its configuration is kept. */
export interface EnvironmentSettings {
  tar?: 'system' | 'native' | undefined;
  conntrack?: 'present' | 'always' | undefined;
  pageWriter?: 'parallel' | 'criu' | undefined;
  /** What {@link keepOwnConfig} gave. */
  config?: string | undefined;
  /** The program's version, when it is known. */
  version?: CriuVersion | undefined;
}

/** The first CRIU that knows of restartable sequences. */
const firstWithRseq = { major: 3, minor: 17 };

/**
 * glibc 2.35 and newer registers them. A CRIU that does not know of them leaves the registration of its own
 * process to what it restores, which dies by it.
 */
const withoutRseq = 'glibc.pthread.rseq=0';

/**
 * What criu needs of our environment, `NAME=value` each: nothing that a caller set for Node
 * (LD_PRELOAD) reaches it, and nothing that leads it to what another user can have written. Without
 * options it is that of a dump with the default ones, so that the spare of one operation fits the next.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` for plugins of another user.
 */
export async function criuEnvironment(
  settings: EnvironmentSettings = {},
): Promise<readonly string[]> {
  const known = knownEnvironment(settings);
  if (known !== undefined) return known;
  const { CRIU_LIBS_DIR, HOME } = process.env;
  const { tar, config } = settings;
  const path = await trustedPath();
  if (CRIU_LIBS_DIR && !(await isTrusted(CRIU_LIBS_DIR))) {
    await requireTrusted('the directory of CRIU_LIBS_DIR', CRIU_LIBS_DIR);
  }
  const variables = {
    PATH: tar === 'system' ? path : behindNativeTar(path),
    HOME: await trustedHome(),
    CRIU_CONFIG_FILE: config,
    CRIU_LIBS_DIR: CRIU_LIBS_DIR && resolve(CRIU_LIBS_DIR),
    GLIBC_TUNABLES: isBeforeRseq(settings) ? withoutRseq : undefined,
    LD_PRELOAD: preloads(settings),
  };
  const environment = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${value}`],
  );
  const directories = [HOME, CRIU_LIBS_DIR, ...pathDirectories()].filter(
    (one) => one !== undefined,
  );
  const others = directories.filter((directory) => !trusted.has(directory));
  const states = others.flatMap((directory) => missing.get(directory) ?? []);
  if (states.length === others.length) {
    environments.set(keyOf(settings), { environment, missing: states });
  }
  return environment;
}

/** The same when it is known that nothing has changed, without waiting for anything; else undefined. */
export function knownEnvironment(settings: EnvironmentSettings): readonly string[] | undefined {
  const known = environments.get(keyOf(settings));
  return known?.missing.every(isUnchangedNow) ? known.environment : undefined;
}

const isBeforeRseq = ({ version }: EnvironmentSettings): boolean =>
  version !== undefined && isOlder(version, firstWithRseq);

/** All that decides on the environment, but for what is in directories. */
function keyOf(settings: EnvironmentSettings): string {
  const { CRIU_LIBS_DIR, HOME, LIBCRIU_ADDON, PATH } = process.env;
  const { tar, conntrack, pageWriter, config } = settings;
  const asked = [tar, conntrack, pageWriter, config, isBeforeRseq(settings)];
  return [...asked, CRIU_LIBS_DIR, HOME, LIBCRIU_ADDON, PATH].join('\0');
}

/**
 * What criu gets, by all that decides on it: all directories in it are trusted, or missing as long as
 * nothing is made where they would begin.
 */
const environments = new Map<
  string,
  { environment: readonly string[]; missing: readonly FileState[] }
>();

/**
 * The directories of `PATH` in which nobody but root and this user can put a program; criu runs what
 * it finds there. Others are left out, for hardly anything is ever looked for in all of them.
 */
export async function trustedPath(): Promise<string> {
  const directories = pathDirectories();
  const verdicts = await Promise.all(directories.map(isTrusted));
  return directories.filter((_, index) => verdicts[index]).join(delimiter);
}

function pathDirectories(): string[] {
  const { PATH = systemPath } = process.env;
  return PATH.split(delimiter).filter(isAbsolute);
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
 * Reads CRIU's own configuration files and makes sure that they leave a request what it is.
 *
 * @returns what is in them, one character for each byte.
 * @throws CriuError as {@link checkConfigFile} does.
 */
export async function readOwnConfig(): Promise<string> {
  return textOf(await Promise.all(ownConfigFiles().map((file) => checkConfigFile(file, 'before'))));
}

function textOf(files: readonly CheckedConfig[]): string {
  return files.flatMap(({ text = [] }) => text).join('\n');
}

/** The texts that are kept for criu, and the descriptors of the files in memory that have them. */
const keptConfigs = new Map<string, number>();

/**
 * Keeps what CRIU's own configuration files say for the criu that we start, which looks for none of
 * them itself: what nobody had written when it was checked, nobody can write afterwards.
 *
 * @returns the path of a file in memory; undefined when they say nothing.
 * @throws CriuError as {@link checkConfigFile} does.
 */
export async function keepOwnConfig(): Promise<string | undefined> {
  return keep(await readOwnConfig());
}

/**
 * The same when all of the files are known to be as they were, without waiting for anything.
 *
 * @returns what {@link keepOwnConfig} gives, as `config`; undefined when that has to be asked.
 */
export function knownOwnConfig(): Pick<EnvironmentSettings, 'config'> | undefined {
  const files: CheckedConfig[] = [];
  for (const file of ownConfigFiles()) {
    const known = knownConfig(file, 'before');
    if (known === undefined) return undefined;
    files.push(known);
  }
  return { config: keep(textOf(files)) };
}

function keep(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  let fd = keptConfigs.get(text);
  if (fd === undefined) {
    fd = nativeAddon().keepInMemory('criu.conf', Buffer.from(text, 'latin1'));
    keptConfigs.set(text, fd);
  }
  return `/proc/${process.pid}/fd/${fd}`;
}

/**
 * Makes sure that nobody else can write the files that the criu of a runtime reads, which we do not
 * start ourselves.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH`
 */
export async function requireTrustedConfig(): Promise<void> {
  const { HOME = '' } = process.env;
  const runtimes = ['/etc/criu/runc.conf', '/etc/criu/crun.conf'];
  for (const file of [...ownConfigFiles(), ...runtimes]) {
    // Of another user's home directory criu is not told.
    const isLeftOut = file === join(HOME, '.criu/default.conf') && !(await isTrusted(HOME));
    if (!isLeftOut) await requireKnownTrusted("CRIU's configuration file", file);
  }
}

/** The home directory, unless others can write in it. */
export async function trustedHome(): Promise<string | undefined> {
  const { HOME = '' } = process.env;
  return isAbsolute(HOME) && (await isTrusted(HOME)) ? HOME : undefined;
}

/** Directories that have been found trusted: only root and this user can change that. */
const trusted = new Set<string>();
/** Directories that are missing, as many are in the `PATH` of what npm runs, and where they begin. */
const missing = new Map<string, FileState>();

async function isTrusted(directory: string): Promise<boolean> {
  if (trusted.has(directory)) return true;
  const former = missing.get(directory);
  if (former !== undefined && (await isUnchanged(former))) return false;
  missing.delete(directory);
  const state = isAbsolute(directory) ? await stateOf(directory) : undefined;
  const found = await isTrustedDirectory(directory);
  if (found && isAbsolute(directory)) trusted.add(directory);
  if (!found && state !== undefined && state.at !== directory) missing.set(directory, state);
  return found;
}

/** A `PATH` in which our tar comes before the system's, unless its directory cannot stand in one. */
export function behindNativeTar(path: string): string {
  const directory = nativeTarDirectory();
  return directory.includes(delimiter) ? path : directory + delimiter + path;
}

/** What is preloaded into criu. */
export function preloads({ tar, conntrack, pageWriter }: EnvironmentSettings): string {
  const libraries = [
    conntrack === 'always' ? undefined : preloadable('criu_empty_tables.so'),
    pageWriter === 'criu' ? undefined : preloadable('criu_parallel_pages.so'),
    tar === 'system' ? undefined : preloadable('criu_tar_in_place.so'),
  ];
  return libraries.filter((library) => library !== undefined).join(' ');
}

/** The list of what is preloaded has no way to quote a path. */
function preloadable(name: string): string | undefined {
  const file = nativeFile(name);
  return /[\s:]/.test(file) ? undefined : file;
}
