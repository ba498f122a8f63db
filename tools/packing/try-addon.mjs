// @ts-check
// Loads an addon for another processor, in a Node.js for that one, by the user emulation of qemu.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { addonFiles } from '../platforms.mjs';
import { capture, findCommand, run, StepError } from '../process.mjs';

const emulators = { x64: 'qemu-x86_64', arm64: 'qemu-aarch64' };

// It calls into the addon, and has it start a thread and a process.
const program = `
  const addon = require(process.argv[1]);
  if (!addon.optionNames().includes('leave_running')) throw new Error('optionNames() is wrong');
  const standby = addon.createStandby(1);
  addon.prepare(standby, { binary: '/bin/true', environment: [] });
  addon.close(standby).then(() => console.log(process.arch));`;

/**
 * @param {import('../platforms.mjs').Architecture} cpu
 * @param {string} directory of the addon
 * @param {string} libraries a directory whose `lib` has the C library for that processor
 * @param {{workDirectory: string, logFile: string}} workplace
 */
export async function tryAddon(cpu, directory, libraries, { workDirectory, logFile }) {
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
