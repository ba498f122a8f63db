// @ts-check
// Which lines of lib/ and native/ the tests reach, told when they have passed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { collectLib, forget, reportLib, reportNative } from './coverage/collect.mjs';
import { clearNative } from './coverage/native.mjs';

const usage = `Usage: npm run coverage -- [options] [FILE...]

Runs the tests (all of them, or those in the given files), and prints which lines of lib/ and native/
they do not reach. Fails when a test fails or when too many lines are left.

  --only lib|native   one of the two; for lib/ nothing has to be built
  --short             only tests that reach most of native/; whether they pass is not looked at
  --keep              adds to what earlier runs have reached
  --report            tells of earlier runs, and runs no tests
`;

/** These reach what is wanted of native/ in a part of the time that all tests take. */
const shortTests = [
  'test/native',
  'test/lifecycle',
  ...['abort', 'criu', 'restore', 'self', 'serve', 'workers'].map(
    (name) => `test/integration/${name}`,
  ),
];

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { only } = values;
  if (only !== undefined && only !== 'lib' && only !== 'native') {
    throw new StepError(`Expected lib or native for --only but received ${only}`);
  }
  /** @type {readonly ('lib' | 'native')[]} */
  const parts = only === undefined ? ['lib', 'native'] : [only];
  const files = values.short ? shortTests : positionals;
  if (!values.report) {
    const passed = await runTests(parts, files, values.keep);
    if (!passed && !values.short) process.exitCode = 1;
  }
  for (const part of parts) {
    // Some files reach a part of the lines.
    const isEnough = await (part === 'lib' ? reportLib() : reportNative());
    if (!isEnough && positionals.length === 0) process.exitCode = 1;
  }
}

/**
 * @param {readonly ('lib' | 'native')[]} parts
 * @param {readonly string[]} files
 * @param {boolean} keep
 * @returns {Promise<boolean>} whether they have passed
 */
async function runTests(parts, files, keep) {
  await setUp('tests');
  if (!keep && parts.includes('lib')) forget();
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env };
  const args = ['run', ...files];
  if (parts.includes('lib')) {
    const lib = collectLib();
    Object.assign(env, lib.env);
    args.push(...lib.args);
  }
  if (parts.includes('native')) {
    env['LIBCRIU_ADDON'] = await withLock(() => buildWithCmake({ kind: 'coverage' }));
    // Where another user may not write, it is not said among what is printed.
    env['GCOV_ERROR_FILE'] = '/dev/null';
    env['LIBCRIU_GCOV'] = '1';
    clearNative({ keep });
  }
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {});
  const [status, signal] = await once(child, 'close');
  if (signal !== null) throw new StepError(`vitest was ended by ${signal}`);
  return status === 0;
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`coverage: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
