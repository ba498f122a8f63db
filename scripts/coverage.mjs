// @ts-check
// Which lines of lib/ and native/ the tests reach, told when they have passed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { childDirectory, ownDirectory, readLib } from './coverage/lib.mjs';
import { report } from './coverage/lines.mjs';
import { clearNative, readNative } from './coverage/native.mjs';

const usage = `Usage: npm run coverage -- [options] [FILE...]

Runs the tests (all of them, or those in the given files), and prints which lines of lib/ and native/
they do not reach. Fails when a test fails or when too many lines are left.

  --only lib|native   one of the two; for lib/ nothing has to be built
  --keep              adds to what earlier runs have reached
  --report            tells of earlier runs, and runs no tests
`;

/** The smallest share of lines that is to be reached, in percent. */
const wanted = { lib: 95, native: 90 };

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
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
  if (!values.report) await runTests(parts, positionals, values.keep);
  const enough = [];
  for (const part of parts) {
    const { percent, text } = report(part, part === 'lib' ? await readLib() : await readNative());
    process.stdout.write(`\n${text}`);
    writeFileSync(join(root, 'coverage', `${part}.txt`), text);
    enough.push(percent >= wanted[part]);
    // A part of the tests reaches a part of the lines.
    if (percent < wanted[part] && positionals.length === 0) {
      process.stdout.write(`${part}: ${wanted[part]} % are wanted\n`);
    }
  }
  if (positionals.length === 0 && enough.includes(false)) process.exitCode = 1;
}

/**
 * @param {readonly ('lib' | 'native')[]} parts
 * @param {readonly string[]} files
 * @param {boolean} keep
 */
async function runTests(parts, files, keep) {
  await setUp();
  if (!keep) rmSync(join(root, 'coverage'), { recursive: true, force: true });
  // Tests have processes of other users, too.
  mkdirSync(childDirectory, { recursive: true });
  chmodSync(childDirectory, 0o1777);
  /** @type {NodeJS.ProcessEnv} */
  const env = {
    ...process.env,
    LIBCRIU_COVERAGE: childDirectory,
    // Another user's process may not write beside our object files, and is not to say so.
    GCOV_ERROR_FILE: '/dev/null',
  };
  if (parts.includes('native')) {
    env['LIBCRIU_ADDON'] = await withLock(() => buildWithCmake({ kind: 'coverage' }));
    if (!keep) clearNative();
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const collected = parts.includes('lib')
    ? [
        '--coverage.enabled',
        '--coverage.reportOnFailure',
        `--coverage.reportsDirectory=${join(ownDirectory, String(Date.now()))}`,
      ]
    : [];
  const child = spawn(process.execPath, [vitest, 'run', ...collected, ...files], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {});
  const [status, signal] = await once(child, 'close');
  if (signal !== null) throw new StepError(`vitest was ended by ${signal}`);
  if (status !== 0) process.exitCode = 1;
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`coverage: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
