// @ts-check
// The lines of native/ that a run of the suite has reached, by what the addon and its programs leave
// beside their object files when they are built for it.
import { chmodSync, closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { capture, StepError } from '../../tools/process.mjs';
import { addLine } from './lines.mjs';

/** @typedef {import('./lines.mjs').Lines} Lines */

/**
 * The part of gcov's JSON that we read.
 *
 * @typedef {object} Gcov
 * @property {string} current_working_directory
 * @property {{file: string, lines: {line_number: number, count: number}[]}[]} files
 */

const build = join(root, 'build-cmake-coverage');
const native = join(root, 'native/');

/**
 * Forgets what earlier runs have reached, unless it is to be kept, and lets processes of any user add to
 * the files.
 *
 * @param {{keep: boolean}} options
 */
export function clearNative({ keep }) {
  if (!keep) for (const file of files('.gcda')) rmSync(file);
  for (const note of files('.gcno')) {
    const data = note.replace(/\.gcno$/, '.gcda');
    closeSync(openSync(data, 'a'));
    chmodSync(data, 0o666);
  }
}

/** @returns {Promise<Lines>} */
export async function readNative() {
  /** @type {Lines} */
  const lines = new Map();
  // One that nobody has added to has not even a beginning.
  for (const file of files('.gcda')) if (statSync(file).size === 0) rmSync(file);
  // There is one of these for each object file, whether it was run or not.
  for (const note of files('.gcno')) {
    const { status, stdout, stderr } = await capture('gcov', ['--json-format', '--stdout', note], {
      cwd: build,
    });
    if (status !== 0) throw new StepError(`gcov ${note}: ${stderr.trim()}`);
    /** @type {Gcov} */
    const report = JSON.parse(stdout);
    for (const { file, lines: found } of report.files) {
      const path = resolve(report.current_working_directory, file);
      if (!path.startsWith(native)) continue;
      for (const { line_number, count } of found) {
        addLine(lines, relative(root, path), line_number, count);
      }
    }
  }
  if (lines.size === 0) throw new StepError('there is no build for coverage');
  return lines;
}

/** @param {string} ending */
function files(ending) {
  return readdirSync(build, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(build, name));
}
