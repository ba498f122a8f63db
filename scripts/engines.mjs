// @ts-check
// The tests of engines, with those of this machine and with those of newer releases of Debian, and a table of what each
// container had counted before it was saved and after it was brought back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enginesReleases, findEnginesRoot } from '../tools/engines-root.mjs';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

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

/** @typedef {import('../test/helpers/engines/report.js').ReportRow & {place: string}} Row */

async function main() {
  await setUp('engines');
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

const common = ['test/integration/engines'];

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
    { name: 'this machine', prefix: [], tests: common },
    { name: 'a machine with systemd', prefix: [], tests: ['test/vm/engines'] },
    ...others,
  ];
}

/** @param {import('../tools/engines-root.mjs').EnginesRelease} release */
function prefixOf(release) {
  const place = findEnginesRoot(release);
  if (place === undefined) throw new StepError(`Debian's ${release} was not installed`);
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const script = join(root, 'scripts/engines/in-root.sh');
  return ['unshare', ...namespaces, script, place, root, process.execPath];
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
