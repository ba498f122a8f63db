// @ts-check
// Loads an addon, or runs a CRIU, that was built for another system than this one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchNode, nodeVersion } from '../node-releases.mjs';
import { addonFiles } from '../platforms.mjs';
import { capture, StepError } from '../process.mjs';
import { symbolsNeededBy } from './elf.mjs';
import { inRoot, rootEnvironment, runInRoot } from './in-root.mjs';

/** @typedef {import('./build-root.mjs').Toolchain} Toolchain */
/** @typedef {{workDirectory: string, logFile: string}} Workplace */

const [addon = ''] = addonFiles;

/** Where the libraries for the other processor are that came with the compiler for it. */
export const compilersLibraries = '/usr/aarch64-linux-gnu/lib';

// It calls into the addon, and has it start a thread and a process.
const program = `
  const addon = require(process.argv[1]);
  if (!addon.optionNames().includes('leave_running')) throw new Error('optionNames() is wrong');
  const standby = addon.createStandby(1);
  addon.prepare(standby, { binary: '/bin/true', environment: [] });
  addon.close(standby).then(() => console.log(process.version, process.arch));`;

/**
 * One for another processor, in a Node.js for that, by the user emulation of qemu.
 *
 * @param {import('../platforms.mjs').Architecture} cpu
 * @param {{directory: string, tree: string, emulator: string, major: import('../node-releases.mjs').NodeMajor}} what the addon,
 *   the root in which it was built, and the release of Node.js
 * @param {Workplace} workplace
 */
export async function tryOnProcessor(cpu, { directory, tree, emulator, major }, workplace) {
  const version = nodeVersion(major);
  const node = await fetchNode(major, cpu, workplace.logFile);
  const binds = [
    { from: directory, to: '/addon' },
    { from: node, to: '/opt/other/node' },
  ];
  // Newer releases of Node.js need more libraries than CRIU does, which came with the compiler.
  const libraries = `LD_LIBRARY_PATH=${compilersLibraries}`;
  const command = [emulator, '-E', libraries, '/opt/other/node', '-e', program, `/addon/${addon}`];
  const told = await outputInRoot(tree, binds, command);
  if (told !== `v${version} ${cpu}`) {
    throw new StepError(`the addon for ${cpu} does not work in Node.js ${version}: ${told}`);
  }
}

/**
 * One for musl, in a program that has only that: there is no Node.js for it in npm's registry or in Debian.
 *
 * @param {string} directory of the addon
 * @param {string} tree the root in which it was built
 * @param {Toolchain} toolchain
 * @param {Workplace} workplace
 */
export async function tryWithMusl(directory, tree, { variables, emulator = '' }, workplace) {
  const place = join(workplace.workDirectory, 'load-addon');
  mkdirSync(place, { recursive: true });
  const functions = (await symbolsNeededBy(join(directory, addon))).filter(({ name }) =>
    name.startsWith('napi_'),
  );
  const stubs = functions.map(({ name }) => `void ${name}(void) {}\n`);
  writeFileSync(join(place, 'node.c'), stubs.join(''));
  const binds = [
    { from: import.meta.dirname, to: '/packing' },
    { from: place, to: '/loader', writable: true },
    { from: directory, to: '/addon' },
  ];
  const script =
    `${variables['CC']} -rdynamic -o /loader/load /packing/load-addon.c /loader/node.c && ` +
    `${emulator} /loader/load /addon/${addon}`;
  await runInRoot(tree, binds, ['sh', '-c', script], workplace.logFile);
}

/**
 * A package with CRIU: its program tells its version, with the libraries beside it.
 *
 * @param {string} directory
 * @param {string} tree the root in which it was built
 * @param {{emulator?: string, version: string}} what
 */
export async function tryCriu(directory, tree, { emulator, version }) {
  const command = [...(emulator === undefined ? [] : [emulator]), '/criu/sbin/criu', '--version'];
  const told = await outputInRoot(tree, [{ from: directory, to: '/criu' }], command);
  if (!told.startsWith(`Version: ${version}`)) {
    throw new StepError(`the criu in ${directory} does not tell version ${version}: ${told}`);
  }
}

/** @type {(tree: string, binds: readonly import('./in-root.mjs').Bind[], command: readonly string[]) => Promise<string>} */
async function outputInRoot(tree, binds, command) {
  const [file, ...args] = inRoot(tree, binds, command);
  const { status, stdout, stderr } = await capture(file, args, { env: rootEnvironment });
  return status === 0 ? stdout.trim() : stderr.trim() || stdout.trim();
}
