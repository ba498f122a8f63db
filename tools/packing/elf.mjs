// @ts-check
// What programs and libraries need of the system, as readelf tells it.
import { capture, StepError } from '../process.mjs';

/**
 * The names of the libraries that a file needs.
 *
 * @param {string} file
 * @returns {Promise<string[]>}
 */
export async function neededBy(file) {
  const text = await readelf('--dynamic', file);
  return [...text.matchAll(/\(NEEDED\)\s+Shared library: \[(.+)\]/g)].map(([, name = '']) => name);
}

/**
 * A symbol that a file takes from a library: `pthread_create@GLIBC_2.2.5`.
 *
 * @typedef {object} NeededSymbol
 * @property {string} name
 * @property {string | undefined} version
 * @property {boolean} isWeak whether the file can do without
 */

/**
 * @param {string} file
 * @returns {Promise<NeededSymbol[]>}
 */
export async function symbolsNeededBy(file) {
  const text = await readelf('--dyn-syms', file);
  return text.split('\n').flatMap((line) => {
    const [, bind, name, version] =
      /\s(GLOBAL|WEAK)\s+\w+\s+UND ([^\s@]+)(?:@+(\S+))?/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, version, isWeak: bind === 'WEAK' }];
  });
}

/**
 * The names that a library offers.
 *
 * @param {string} file
 * @returns {Promise<Set<string>>}
 */
export async function symbolsOf(file) {
  const text = await readelf('--dyn-syms', file);
  const names = text.matchAll(/\s(?:GLOBAL|WEAK)\s+\w+\s+\d+ ([^\s@]+)/g);
  return new Set([...names].map(([, name = '']) => name));
}

/**
 * Whether a file has the table by which an exception finds who catches it. Without it the first one ends the
 * process.
 *
 * @param {string} file
 */
export async function hasUnwindTable(file) {
  return (await readelf('--program-headers', file)).includes('GNU_EH_FRAME');
}

/**
 * The processor for which a file is, as Node.js calls it; else readelf's words for it.
 *
 * @param {string} file
 */
export async function processorOf(file) {
  const [, machine = ''] = /^ *Machine: +(.+)$/m.exec(await readelf('--file-header', file)) ?? [];
  return { 'Advanced Micro Devices X86-64': 'x64', AArch64: 'arm64' }[machine] ?? machine;
}

/**
 * The version of the gcc that has compiled a file; undefined when it does not tell.
 *
 * @param {string} file
 */
export async function compilerOf(file) {
  return /GCC: \(.*\) ([\d.]+)/.exec(await readelf('--string-dump=.comment', file))?.[1];
}

/** @param {string} what @param {string} file */
async function readelf(what, file) {
  const { status, stdout, stderr } = await capture('readelf', ['--wide', what, file], {
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0) throw new StepError(`readelf cannot read ${file}: ${stderr.trim()}`);
  return stdout;
}
