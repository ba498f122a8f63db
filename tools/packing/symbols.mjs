// @ts-check
// Whether a program or a library runs with the oldest C library that a package is for.
import { neededBy, symbolsNeededBy } from './elf.mjs';

/**
 * The newest symbols of glibc that anything in a package may need. The packages are built with 2.31, the one
 * of Debian 11, and tried there.
 */
export const newestGlibc = '2.31';

/** What glibc brings, in the packages of every distribution. */
export const librariesOfGlibc =
  /^(?:ld-linux.*|lib(?:c|m|dl|pthread|rt|resolv|util|nsl|anl))\.so\.\d+$/;

/**
 * The symbols of glibc that are newer than a version.
 *
 * @param {string} file
 * @param {string} [newest]
 * @returns {Promise<string[]>} `name@GLIBC_2.34`
 */
export async function newerThan(file, newest = newestGlibc) {
  return (await symbolsNeededBy(file)).flatMap(({ name, version }) =>
    version?.startsWith('GLIBC_') && isNewer(version.slice('GLIBC_'.length), newest)
      ? `${name}@${version}`
      : [],
  );
}

/**
 * The newest version of glibc that a file needs: `2.28`.
 *
 * @param {string} file
 */
export async function glibcOf(file) {
  const versions = (await symbolsNeededBy(file)).flatMap(
    ({ version }) => /^GLIBC_([\d.]+)$/.exec(version ?? '')?.[1] ?? [],
  );
  return versions.reduce((newest, one) => (isNewer(one, newest) ? one : newest), '2.0');
}

/**
 * The libraries that a file needs beside those of the C library.
 *
 * @param {string} file
 * @param {RegExp} [own] the names of those; glibc's without it
 */
export async function otherLibraries(file, own = librariesOfGlibc) {
  return (await neededBy(file)).filter((name) => !own.test(name));
}

// What Node.js offers to addons, what comes with the compiler, and what only says that a check was compiled in.
const offeredElsewhere =
  /^(?:napi_|node_api_|_Z|__cxa_|_Unwind_|__gxx_|__(?:[a-z]*san|sanitizer)_|_ITM_|__gmon_start__|OPENSSL_)/;

// What the C++ library takes of the C library for which it was built; that for another takes none of it.
const ofCompilersLibrary = new Set([
  '__libc_single_threaded',
  '__once_proxy',
  '_dl_find_object',
  'arc4random',
  'pthread_cond_clockwait',
  'pthread_rwlock_clockrdlock',
  'pthread_rwlock_clockwrlock',
]);

// Names of glibc for functions that other C libraries have under their plain names, to which a compiler with
// their headers goes: checks of bounds, versions of a standard, wide offsets.
/** @type {readonly (readonly [RegExp, string])[]} */
const renamed = [
  [/^__(\w+)_chk$/, '$1'],
  [/^__isoc\d+_(\w+)$/, '$1'],
  [/^(\w+)64$/, '$1'],
  [/^__xpg_(\w+)$/, '$1'],
];

/**
 * The names that a file takes from the C library and that another C library has not.
 *
 * @param {string} file
 * @param {ReadonlySet<string>} offered
 */
export async function missingFrom(file, offered) {
  return (await symbolsNeededBy(file)).flatMap(({ name, isWeak }) => {
    if (isWeak || offeredElsewhere.test(name) || ofCompilersLibrary.has(name)) return [];
    const names = [name, ...renamed.map(([pattern, to]) => name.replace(pattern, to))];
    return names.some((one) => offered.has(one)) ? [] : name;
  });
}

/** @type {(version: string, than: string) => boolean} */
function isNewer(version, than) {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  for (const [index, part] of (left ?? []).entries()) {
    const difference = part - (right?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
