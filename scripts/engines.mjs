// @ts-check
// The tests of engines, with those of this machine and with those of the next Debian, and a table of what each
// container had counted before it was saved and after it was brought back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEnginesRoot, makeEnginesRoot } from '../tools/engines-root.mjs';
import { withLock } from '../tools/lock.mjs';
import { root } from '../tools/paths.mjs';
import { StepError, tail } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

/**
 * Where the tests are run.
 *
 * @typedef {object} Place
 * @property {string} name
 * @property {readonly string[]} prefix what stands before the command
 * @property {NodeJS.ProcessEnv} [env]
 * @property {readonly string[]} [only] names of tests
 */

/** @typedef {import('../test/helpers/engines/report.js').ReportRow & {place: string}} Row */

async function main() {
  await setUp();
  await provideNextDebian();
  /** @type {Row[]} */
  const rows = [];
  const file = join(root, `build/engines-${process.pid}.jsonl`);
  try {
    for (const place of places()) {
      process.stdout.write(`\n${place.name}\n`);
      writeFileSync(file, '');
      if (!(await runTests(place, file))) process.exitCode = 1;
      rows.push(...readRows(file, place.name));
    }
  } finally {
    rmSync(file, { force: true });
  }
  process.stdout.write(`\n${tableOf(rows)}\n`);
}

async function provideNextDebian() {
  if (findEnginesRoot() !== undefined) return;
  process.stderr.write('engines: install the next Debian ...\n');
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-engines-'));
  const logFile = join(directory, 'log');
  try {
    await withLock(() => makeEnginesRoot(directory, logFile));
  } catch (error) {
    process.stderr.write(`${tail(logFile, 30).join('\n')}\n`);
    throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns {Place[]} */
function places() {
  const next = findEnginesRoot();
  if (next === undefined) throw new StepError('the next Debian was not made');
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const script = join(root, 'scripts/engines/in-root.sh');
  const prefix = ['unshare', ...namespaces, script, next, root, process.execPath];
  return [
    { name: 'Debian 12', prefix: [] },
    { name: 'Debian 13', prefix },
    {
      name: 'Debian 13, podman with crun',
      prefix,
      env: { LIBCRIU_PODMAN_RUNTIME: 'crun' },
      only: ['-t', 'podman'],
    },
  ];
}

/** @type {(place: Place, file: string) => Promise<boolean>} */
async function runTests({ prefix, env = {}, only = [] }, file) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const tests = ['--project', 'integration', 'test/integration/engines'];
  const words = [...prefix, 'node', vitest, 'run', ...tests, ...only];
  const [command = '', ...args] = words;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env, LIBCRIU_ENGINES_REPORT: file },
    stdio: 'inherit',
  });
  const [status] = await once(child, 'close');
  return status === 0;
}

/** @type {(file: string, place: string) => Row[]} */
function readRows(file, place) {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => ({ ...JSON.parse(line), place }));
}

const ways = /** @type {const} */ (['left running', 'in place', 'archive', 'OCI image']);

/** @param {readonly Row[]} rows */
function tableOf(rows) {
  const engines = [...new Set(rows.map(({ engine }) => engine))];
  const table = [
    ['engine', ...ways],
    ...engines.map((engine) => [
      engine,
      ...ways.map((way) =>
        rows
          .filter((row) => row.engine === engine && row.way === way)
          .map(({ before, after }) => `${before} -> ${after}`)
          .join(', '),
      ),
    ]),
  ];
  const widths = table[0]?.map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, at) => (cell || '-').padEnd(widths?.[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

main().catch((error) => {
  process.stderr.write(`engines: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
