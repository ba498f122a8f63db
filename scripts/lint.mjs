// @ts-check
// All linters, each to its end, so that one run shows everything. `--fix` formats first.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake } from '../tools/build.mjs';
import { checkIncludes, readNativeFiles } from '../tools/include-rooms.mjs';
import { withLock } from '../tools/lock.mjs';
import { root, tool } from '../tools/paths.mjs';
import { capture, run, StepError, seconds, tail } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

const nativeFiles = [
  ...[...readNativeFiles().keys()].map((name) => join('native', name)),
  ...['test/cpp', 'test/fuzz'].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((name) => /\.(cc|h)$/.test(name))
      .map((name) => join(directory, name)),
  ),
];

/** @type {Record<string, () => Promise<unknown>>} */
const linters = {
  biome: () => run(tool('biome'), ['check', '--error-on-warnings'], { cwd: root }),
  typescript: () => run(tool('tsc'), ['-p', 'tsconfig.check.json'], { cwd: root }),
  'clang-format': () =>
    run(tool('clang-format'), ['--dry-run', '-Werror', ...nativeFiles], { cwd: root }),
  includes,
  'clang-tidy': clangTidy,
  docs: () => run(process.execPath, ['scripts/docs.mjs'], { cwd: root }),
  publint: () => run(tool('publint'), ['--strict'], { cwd: root }),
};

// Which room of native/ may include which.
async function includes() {
  const findings = checkIncludes(readNativeFiles());
  for (const finding of findings) process.stdout.write(`${finding}\n`);
  if (findings.length > 0) {
    throw new StepError(`${findings.length} of the includes in native/ break a rule`);
  }
}

// clang-tidy takes seconds a file and uses one core, so as many run as there are cores.
async function clangTidy() {
  mkdirSync(join(root, 'build-cmake'), { recursive: true });
  const logFile = join(root, 'build-cmake/configure.log');
  rmSync(logFile, { force: true });
  try {
    await withLock(() => buildWithCmake({ configureOnly: true, logFile }));
  } catch (error) {
    process.stdout.write(`${tail(logFile, 30).join('\n')}\n`);
    throw error;
  }
  /** @type {Record<string, string[]>} */
  const targets = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8'));
  const sources = Object.values(targets).flat();
  let clean = true;
  const lane = async () => {
    for (let name = sources.pop(); name !== undefined; name = sources.pop()) {
      const args = ['--quiet', '-p', 'build-cmake', join('native', name)];
      const { status, stdout, stderr } = await capture('clang-tidy', args, { cwd: root });
      if (status !== 0) {
        clean = false;
        process.stdout.write(`${stdout}${stdout === '' ? stderr : ''}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  if (!clean) {
    throw new StepError('clang-tidy has findings');
  }
}

async function main() {
  const { values } = parseArgs({ options: { fix: { type: 'boolean', default: false } } });
  await setUp();
  if (values.fix) {
    await run(tool('biome'), ['check', '--write'], { cwd: root });
    await run(tool('clang-format'), ['-i', ...nativeFiles], { cwd: root });
    return;
  }
  const failed = [];
  for (const [name, lint] of Object.entries(linters)) {
    const startedAt = performance.now();
    try {
      await lint();
      process.stdout.write(`lint: ${name} is clean (${seconds(startedAt)})\n`);
    } catch (error) {
      if (!(error instanceof StepError)) {
        throw error;
      }
      failed.push(name);
      process.stdout.write(`lint: ${name} failed: ${error.message}\n`);
    }
  }
  if (failed.length > 0) {
    throw new StepError(`${failed.join(', ')} failed`);
  }
}

main().catch((error) => {
  process.stderr.write(`lint: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
