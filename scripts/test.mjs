// @ts-check
// Sets the machine up and runs the tests; arguments go to vitest (`npm test -- test/unit`).
// `--counts FILE` writes the counts there for .ci/run, in place of the closing line, and below them the
// names of what did not pass. `--coverage` tells which lines of lib/ were not reached, and fails when
// these are too many.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { collectLib, forget, reportLib } from './coverage/collect.mjs';

/**
 * The part of vitest's JSON report that we read.
 *
 * @typedef {object} Report
 * @property {boolean} success
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {{name: string, status: string, message: string, assertionResults: Result[]}[]} testResults
 *
 * @typedef {object} Result
 * @property {string} status
 * @property {string} fullName
 * @property {string[]} [failureMessages]
 */

async function main() {
  const { countsFile, hasCoverage, vitestArgs } = splitArguments(process.argv.slice(2));
  await setUp('tests');
  if (hasCoverage) forget();
  const coverage = hasCoverage ? collectLib() : undefined;
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-test-'));
  try {
    const reportFile = join(directory, 'report.json');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    const args = [vitest, 'run', ...reporters, ...(coverage?.args ?? []), ...vitestArgs];
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...coverage?.env },
      stdio: 'inherit',
    });
    // A Ctrl-C reaches vitest as well, which then ends in its own way.
    process.on('SIGINT', () => {});
    const [status] = await once(child, 'close');
    // Some files reach a part of the lines.
    const isEnough = coverage === undefined || (await reportLib()) || vitestArgs.length > 0;
    finish(status, readReport(reportFile), isEnough, countsFile);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {readonly string[]} args */
function splitArguments(args) {
  const hasCoverage = args.includes('--coverage');
  const others = args.filter((arg) => arg !== '--coverage');
  const at = others.indexOf('--counts');
  return at === -1
    ? { countsFile: undefined, hasCoverage, vitestArgs: others }
    : { countsFile: others[at + 1], hasCoverage, vitestArgs: others.toSpliced(at, 2) };
}

/**
 * @param {string} file
 * @returns {Report | undefined} undefined when vitest did not live to write it
 */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {number | null} status
 * @param {Report | undefined} report
 * @param {boolean} isEnough whether enough lines were reached
 * @param {string | undefined} countsFile
 */
function finish(status, report, isEnough, countsFile) {
  const passed = report?.numPassedTests ?? 0;
  let failed = report?.numFailedTests ?? 0;
  /** @type {string[]} */
  const notPassed = [];
  for (const file of report?.testResults ?? []) {
    // A file that could not even be loaded has no tests to count.
    if (
      file.status === 'failed' &&
      file.assertionResults.every(({ status: s }) => s !== 'failed')
    ) {
      failed += 1;
      notPassed.push(`failed: ${file.name.slice(root.length + 1)} (${messageOf(file.message)})`);
    }
  }
  const skipped = named(report, ({ status: s }) => s !== 'passed' && s !== 'failed', 'skipped');
  notPassed.push(...skipped, ...named(report, ({ status: s }) => s === 'failed', 'failed'));
  if (notPassed.length > 0) process.stdout.write(`${notPassed.join('\n')}\n`);
  if (passed + failed === 0) {
    process.stdout.write('No test was run\n');
    failed = 1;
  } else if (status !== 0 && failed === 0) {
    process.stdout.write(`Every test passed, but vitest ended with exit status ${status}\n`);
    failed = 1;
  }
  if (!isEnough) failed += 1;
  if (countsFile === undefined) {
    const last = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
    process.stdout.write(`${passed} passed, ${failed} failed${last}\n`);
  } else {
    writeFileSync(
      countsFile,
      `${[`${passed} ${failed} ${skipped.length}`, ...notPassed].join('\n')}\n`,
    );
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

/**
 * @param {Report | undefined} report
 * @param {(result: Result) => boolean} isOne
 * @param {string} word what is said of them
 */
function named(report, isOne, word) {
  return (report?.testResults ?? []).flatMap((file) =>
    file.assertionResults.filter(isOne).map(({ fullName, failureMessages: [message] = [] }) => {
      const why = message === undefined ? '' : ` (${messageOf(message)})`;
      return `${word}: ${file.name.slice(root.length + 1)}: ${fullName}${why}`;
    }),
  );
}

/**
 * The message without the stack, in one line: what it quotes is often what tells the cause.
 *
 * @param {string} text
 */
function messageOf(text) {
  const [message = ''] = text.split(/\n +at /, 1);
  return message
    .trim()
    .replaceAll(/\s*\n\s*/g, ' | ')
    .slice(0, 2000);
}

main().catch((error) => {
  process.stderr.write(`test: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
