// @ts-check
// The tests of engines, with those of this machine and with those of newer releases of Debian, and tables of what each
// container had counted before it was saved and after it was brought back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enginesReleases, findEnginesRoot } from '../tools/engines-root.mjs';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { absent } from './engines/reasons.mjs';
import { countsTable, stepsTable } from './engines/table.mjs';

/**
 * Where the tests are run.
 *
 * @typedef {object} Place
 * @property {string} name
 * @property {readonly string[]} prefix what stands before the command
 * @property {readonly string[]} tests
 * @property {NodeJS.ProcessEnv} [env]
 * @property {readonly string[]} [only] names of tests
 */

/** @typedef {import('../test/helpers/engines/report.js').ReportLine} ReportLine */
/** @typedef {import('../test/helpers/engines/report.js').OutputReport & {place: string}} Output */
/** @typedef {import('./engines/table.mjs').Row} Row */
/** @typedef {import('./engines/table.mjs').Steps} Steps */

/** What the tests of all places have told. @typedef {{rows: Row[], steps: Steps[], outputs: Output[]}} Told */

async function main() {
  await setUp('tests', 'engines');
  /** @type {Told} */
  const told = { rows: [], steps: [], outputs: [] };
  const file = join(root, `build/engines-${process.pid}.jsonl`);
  try {
    for (const place of places().filter(isAskedFor)) {
      process.stdout.write(`\n${place.name}\n`);
      writeFileSync(file, '');
      if (!(await runTests(place, file))) process.exitCode = 1;
      read(file, place.name, told);
    }
  } finally {
    rmSync(file, { force: true });
  }
  print(told);
}

/** @param {Told} told */
function print({ rows, steps, outputs }) {
  for (const { place, title, text } of outputs) {
    process.stdout.write(`\n${title} (${place})\n\n${text.trim()}\n`);
  }
  const { text, missing } = countsTable(rows);
  process.stdout.write(
    `\nThe count of a container before it was saved and after it went on\n\n${text}\n`,
  );
  process.stdout.write(`\nNot here\n\n${absent.map((one) => `${one.join(': ')}\n`).join('')}`);
  const title = 'Archives of a container that runs on and appends to a file';
  process.stdout.write(`\n${title}\n\n${stepsTable(steps)}\n`);
  if (missing.length === 0) return;
  process.stderr.write(`engines: neither a count nor a reason:\n${missing.join('\n')}\n`);
  process.exitCode = 1;
}

const common = ['engines', 'archives', 'containerd-image'].map(
  (name) => `test/integration/engines/${name}.test`,
);
/** It takes minutes: for the oldest podman and the newest. */
const inStep = 'test/engines/in-step';

/** What they bring that this machine has not; containerd restores by its CRI from 2.1 on. */
const testsOf = {
  trixie: [...common, 'test/engines/checkpointctl'],
  forky: [...common, 'test/engines'],
};

/** @returns {Place[]} */
function places() {
  const others = enginesReleases.flatMap((release) => {
    const name = `Debian's ${release}`;
    const prefix = prefixOf(release);
    const crun = { env: { LIBCRIU_PODMAN_RUNTIME: 'crun' }, only: ['-t', 'podman'] };
    return [
      { name, prefix, tests: testsOf[release] },
      { name: `${name}, podman with crun`, prefix, tests: common, ...crun },
    ];
  });
  return [
    { name: 'this machine', prefix: [], tests: [...common, inStep] },
    { name: 'a machine with systemd', prefix: [], tests: ['test/vm/engines', 'test/vm/systemd'] },
    ...others,
  ];
}

/** Whether a word of the command line is in its name, if there are any. @param {Place} place */
function isAskedFor({ name }) {
  const words = process.argv.slice(2);
  return words.length === 0 || words.some((word) => name.includes(word));
}

/** @param {import('../tools/engines-root.mjs').EnginesRelease} release */
function prefixOf(release) {
  const place = findEnginesRoot(release);
  if (place === undefined) throw new StepError(`Debian's ${release} was not installed`);
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const scripts = ['own-cgroups.sh', 'in-root.sh'].map((name) => join(root, 'tools', name));
  return ['unshare', ...namespaces, ...scripts, place, root, process.execPath];
}

/** @type {(place: Place, file: string) => Promise<boolean>} */
async function runTests({ prefix, tests, env = {}, only = [] }, file) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const projects = ['integration', 'engines', 'vm'].flatMap((name) => ['--project', name]);
  const words = [...prefix, 'node', vitest, 'run', ...projects, ...tests, ...only];
  const [command = '', ...args] = words;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env, LIBCRIU_ENGINES_REPORT: file },
    stdio: 'inherit',
  });
  const [status] = await once(child, 'close');
  return status === 0;
}

/** @type {(file: string, place: string, told: Told) => void} */
function read(file, place, { rows, steps, outputs }) {
  for (const text of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    /** @type {ReportLine} */
    const line = JSON.parse(text);
    if ('row' in line) rows.push({ ...line.row, place });
    else if ('steps' in line) steps.push({ ...line.steps, place });
    else outputs.push({ ...line.output, place });
  }
}

main().catch((error) => {
  process.stderr.write(`engines: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
