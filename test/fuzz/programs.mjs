// @ts-check
// The programs that fuzz the readers of native/: how they are built, and how one is run.
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { capture, findCommand, StepError } from '../../tools/process.mjs';

const source = join(root, 'test/fuzz');
const build = join(root, 'build-cmake-fuzz');

/** A reader, each of which has a program and a corpus. */
export const programs = readdirSync(source)
  .filter((name) => name.endsWith('_fuzz.cc'))
  .map((name) => name.slice(0, -'_fuzz.cc'.length));

/** Builds all of them, in a directory of their own. */
export async function buildPrograms() {
  const compiler = findCommand('clang++');
  if (compiler === undefined)
    throw new StepError('clang++ is missing: `npm run setup` installs it');
  for (const args of [
    ['-S', source, '-B', build, `-DCMAKE_CXX_COMPILER=${compiler}`],
    ['--build', build, '--parallel', String(availableParallelism())],
  ]) {
    const { status, stdout, stderr } = await capture('cmake', args);
    if (status !== 0) throw new StepError(`cmake ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}

/**
 * Runs one with its corpus and with what earlier runs have added to that, and then with input that it
 * makes up until the time is over.
 *
 * @param {string} name
 * @param {number} seconds
 * @returns {Promise<string>} what it has done, in a line
 * @throws StepError with the report when it found something; the input is kept.
 */
export async function fuzz(name, seconds) {
  const found = join(build, 'found', name);
  const findings = join(build, 'findings', `${name}-`);
  mkdirSync(found, { recursive: true });
  mkdirSync(join(build, 'findings'), { recursive: true });
  const { status, stderr } = await capture(join(build, `${name}_fuzz`), [
    ...(seconds > 0 ? [`-max_total_time=${seconds}`] : ['-runs=0']),
    '-timeout=30',
    '-rss_limit_mb=2048',
    '-print_final_stats=1',
    `-artifact_prefix=${findings}`,
    found,
    join(source, 'corpus', name),
  ]);
  if (status !== 0) throw new StepError(`${name} (input: ${findings}*):\n${stderr.slice(-8000)}`);
  const executions = /number_of_executed_units: *(\d+)/.exec(stderr)?.[1] ?? '0';
  const covered = [...stderr.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? '0';
  return `${executions} inputs, ${covered} edges`;
}
