// @ts-check
// The tests with sanitizers: the classes that threads share under the thread sanitizer, without Node.js,
// and the suite with an addon that has the address or the undefined-behaviour sanitizer.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { root } from '../tools/paths.mjs';
import { capture, run, StepError, seconds } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

const usage = `Usage: npm run test:sanitize -- [KIND...] [-- FILE...]

Runs the tests with sanitizers: thread, address, undefined, or all of them. Files are for the suite,
which is run for address and undefined; else it is all that can run with a sanitizer.
`;

const kinds = /** @type {const} */ (['thread', 'address', 'undefined']);

/** Of the suite, what runs the addon. */
const groups = ['test/native', 'test/lifecycle', 'test/integration'];

/**
 * What cannot run with the address sanitizer: CRIU does not get through the terabytes of address space
 * that it reserves in a process that checkpoints itself, and the example starts Node.js both for such a
 * process and for the ones that load the addon.
 */
const excludedForAddress = [
  'test/integration/self/**',
  'test/integration/examples/migrate.test.ts',
];

/**
 * What cannot run with it either, by the names of tests: the library that makes allocations and threads
 * fail would have to be loaded in the place of the sanitizer's.
 */
const excludedNamesForAddress = ['no-thread', 'no-memory'];

/**
 * What cannot run with the undefined-behaviour sanitizer, by the names of tests: to see whether an
 * object may be looked at it opens a pipe, and where no descriptor is left it takes that for a fault.
 */
const excludedForUndefined = ['without descriptors', 'no-descriptor'];

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const asked = kinds.filter((kind) => positionals.includes(kind));
  const files = positionals.filter((name) => !kinds.some((kind) => kind === name));
  await setUp('tests');
  for (const kind of asked.length > 0 ? asked : kinds) {
    const startedAt = performance.now();
    const passed = await (kind === 'thread' ? testThreads() : testSuite(kind, files));
    const how = passed ? 'found nothing' : 'failed';
    process.stdout.write(`sanitize: ${kind} ${how} (${seconds(startedAt)})\n`);
    if (!passed) process.exitCode = 1;
  }
}

async function testThreads() {
  const directory = join(root, 'build-cmake-thread');
  const source = join(root, 'test/cpp');
  await run('cmake', ['-S', source, '-B', directory, '-DSANITIZE=thread']);
  await run('cmake', ['--build', directory, '--parallel', String(availableParallelism())]);
  return succeeds('ctest', ['--test-dir', directory, '--output-on-failure']);
}

/**
 * @param {'address' | 'undefined'} kind
 * @param {readonly string[]} files
 */
async function testSuite(kind, files) {
  const addon = await withLock(() => buildWithCmake({ kind }));
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', ...(files.length > 0 ? files : groups)];
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, LIBCRIU_ADDON: addon };
  if (kind === 'address') {
    const { stdout } = await capture('g++', ['-print-file-name=libasan.so']);
    Object.assign(env, {
      LIBCRIU_ASAN: stdout.trim(),
      LIBCRIU_NODE: process.execPath,
      LIBCRIU_TEST_NODE: join(root, 'test/pool/sanitized-node.sh'),
      LIBCRIU_TEST_EXCLUDE: excludedForAddress.join(' '),
      // What Node.js itself leaves at its end is none of our business.
      ASAN_OPTIONS: 'detect_leaks=0',
    });
  }
  const excluded = kind === 'address' ? excludedNamesForAddress : excludedForUndefined;
  args.push('-t', `^(?!.*(${excluded.join('|')}))`);
  return succeeds(process.execPath, [vitest, ...args], env);
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function succeeds(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
  const [status, signal] = await once(child, 'close');
  if (signal !== null) throw new StepError(`${command} was ended by ${signal}`);
  return status === 0;
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`sanitize: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
