// @ts-check
// Loads an addon for another system than this one.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addonFiles } from '../platforms.mjs';
import { capture, findCommand, run, StepError } from '../process.mjs';
import { symbolsNeededBy } from './elf.mjs';
import { runInRoot } from './in-root.mjs';

const emulators = { x64: 'qemu-x86_64', arm64: 'qemu-aarch64' };

// It calls into the addon, and has it start a thread and a process.
const program = `
  const addon = require(process.argv[1]);
  if (!addon.optionNames().includes('leave_running')) throw new Error('optionNames() is wrong');
  const standby = addon.createStandby(1);
  addon.prepare(standby, { binary: '/bin/true', environment: [] });
  addon.close(standby).then(() => console.log(process.arch));`;

/**
 * One for another processor, in a Node.js for that, by the user emulation of qemu.
 *
 * @param {import('../platforms.mjs').Architecture} cpu
 * @param {string} directory of the addon
 * @param {string} libraries a directory whose `lib` has the C library for that processor
 * @param {{workDirectory: string, logFile: string}} workplace
 */
export async function tryOnProcessor(cpu, directory, libraries, { workDirectory, logFile }) {
  const emulator = findCommand(emulators[cpu]);
  if (emulator === undefined) {
    throw new StepError(`${emulators[cpu]} is missing: install qemu-user`);
  }
  const node = await nodeFor(cpu, workDirectory, logFile);
  const [addon = ''] = addonFiles;
  const args = ['-L', libraries, node, '-e', program, join(directory, addon)];
  const { status, stdout, stderr } = await capture(emulator, args);
  if (status !== 0 || stdout !== `${cpu}\n`) {
    throw new StepError(`the addon for ${cpu} does not work: ${stderr.trim() || stdout.trim()}`);
  }
}

/**
 * One for musl, in a program that has only that: there is no Node.js for it in npm's registry or in Debian.
 *
 * @param {string} tree a root with musl-gcc
 * @param {string} directory of the addon
 * @param {{workDirectory: string, logFile: string}} workplace
 */
export async function tryWithMusl(tree, directory, { workDirectory, logFile }) {
  const [addon = ''] = addonFiles;
  const place = join(workDirectory, 'load-addon');
  mkdirSync(place);
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
    'musl-gcc -rdynamic -o /loader/load /packing/load-addon.c /loader/node.c && ' +
    `/loader/load /addon/${addon}`;
  await runInRoot(tree, binds, ['sh', '-c', script], logFile);
}

/** @type {(cpu: string, workDirectory: string, logFile: string) => Promise<string>} */
async function nodeFor(cpu, workDirectory, logFile) {
  const name = `node-linux-${cpu}`;
  const place = join(workDirectory, name);
  mkdirSync(place);
  // The processor is another than this one, which npm would refuse without the flag.
  const flags = ['--force', '--no-save', '--no-audit', '--no-fund', '--prefix', place];
  const what = `${name}@${process.versions.node}`;
  await run('npm', ['install', ...flags, what], { cwd: place, logFile });
  const node = join(place, 'node_modules', name, 'bin/node');
  if (!existsSync(node)) throw new StepError(`${what} has no program`);
  return node;
}
