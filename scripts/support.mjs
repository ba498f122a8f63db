// @ts-check
// Runs what the table of systems and versions in docs/install.md tells, and writes it anew: a process is saved and
// restored with each release of Node.js and each of CRIU that can be had, and the addons for other systems are loaded.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  buildCriu,
  isAtLeast,
  minimumVersion,
  olderReleases,
  prefix,
  prefixOfOlder,
  versionOf,
} from '../tools/criu.mjs';
import { arm64KernelDirectory, fetchArm64Kernel, findKernel } from '../tools/kernel.mjs';
import { withLock } from '../tools/lock.mjs';
import { fetchNode, nodeMajors, nodeVersion } from '../tools/node-releases.mjs';
import { oldCriuPrefix } from '../tools/old-criu.mjs';
import { install } from '../tools/packages.mjs';
import { packagesDirectory } from '../tools/packing/manifests.mjs';
import { loadPackage, makeableHere } from '../tools/packing/packages.mjs';
import { root } from '../tools/paths.mjs';
import { findCommand, StepError, seconds } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { inWorkDirectory } from '../tools/work-directory.mjs';
import { criuReleases, releaseOf, runsFile, writeRuns } from './support/cells.mjs';
import { insertSupport } from './support/table.mjs';

const usage = `Usage: npm run test:support -- [options]

Saves and restores a process with each release of Node.js and of CRIU that can be had, loads the addons for other
systems, and writes scripts/support/runs.json and the table in docs/install.md.

  --criu DIR   a CRIU that was built elsewhere, as its prefix; may be repeated
  --only-criu  nothing of other systems, whose addons take minutes to build
`;

const ownSystem = `linux-${process.arch}-gnu`;

/** @typedef {import('./support/cells.mjs').Run} Run */
/** The prefixes of CRIUs by their versions. @typedef {ReadonlyMap<string, string>} Crius */

async function main() {
  const { values } = parseArgs({
    options: {
      criu: { type: 'string', multiple: true, default: [] },
      'only-criu': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  await setUp('tests');
  const crius = await findCrius(values.criu.map((path) => resolve(path)));
  const needed = minimumVersion(release());
  /** @param {boolean} here */
  const those = (here) => new Map([...crius].filter(([one]) => isAtLeast(one, needed) === here));
  await runTests('package', 'test/package/support.test.ts', those(true));
  await runTests('vm', 'test/vm/support.test.ts', those(false));
  if (!values['only-criu']) {
    await tryOthers();
    await tryArm64();
  }
  const page = join(root, 'docs/install.md');
  const runs = JSON.parse(readFileSync(runsFile, 'utf8'));
  writeFileSync(page, insertSupport(readFileSync(page, 'utf8'), runs));
}

/**
 * Of each release the CRIU that is named last: what set-up has, what can be built of Debian's sources, and
 * those that were given.
 *
 * @param {readonly string[]} given
 * @returns {Promise<Crius>}
 */
async function findCrius(given) {
  for (const version of olderReleases) {
    const place = prefixOfOlder(version);
    if (existsSync(place)) continue;
    await step(`build CRIU ${version}`, (directory, logFile) =>
      buildCriu(directory, logFile, { place, only: version }),
    );
  }
  const own = process.env['LIBCRIU_PREFIX'] ?? (existsSync(prefix) ? prefix : '/usr');
  /** @type {Map<string, [string, string]>} */
  const found = new Map();
  for (const place of [...olderReleases.map(prefixOfOlder), oldCriuPrefix, own, ...given]) {
    const version = await versionOf(join(place, 'sbin/criu'));
    if (version === undefined) throw new StepError(`there is no criu that runs in ${place}`);
    found.set(releaseOf(version), [version, place]);
  }
  for (const one of criuReleases.filter((each) => !found.has(each))) {
    process.stdout.write(`support: there is no CRIU ${one} here: its cells stay as they are\n`);
  }
  return new Map(found.values());
}

/**
 * Runs a test of cells, and writes down what has passed.
 *
 * @param {string} project
 * @param {string} test
 * @param {Crius} crius
 * @param {string} [system]
 */
async function runTests(project, test, crius, system = ownSystem) {
  if (crius.size === 0) return;
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-support-'));
  const report = join(directory, 'report');
  writeFileSync(report, '');
  try {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const pairs = [...crius].map((pair) => pair.join('='));
    const child = spawn(process.execPath, [vitest, 'run', '--project', project, test], {
      cwd: root,
      env: {
        ...process.env,
        LIBCRIU_SUPPORT_CRIU: pairs.join(','),
        LIBCRIU_SUPPORT_REPORT: report,
      },
      stdio: 'inherit',
    });
    const [status] = await once(child, 'close');
    if (status !== 0) process.exitCode = 1;
    const tried = [...crius.keys()].flatMap((criu) => ofAllNodes({ system, criu, test }));
    writeRuns(tried, readReport(report));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @type {(run: {system: string, criu: string, test: string}) => Run[]} */
const ofAllNodes = (run) =>
  nodeMajors.map((major) => ({ node: nodeVersion(major), kernel: release(), ...run }));

/** @param {string} file @returns {Run[]} */
const readReport = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** @type {import('../tools/packing/packages.mjs').Step} */
const quietly = (_, work) => work();

/** Builds and loads the addons for other systems. */
async function tryOthers() {
  const test = 'tools/packing/try-addon.mjs';
  const { systems, leftOut } = makeableHere();
  for (const { system, reason } of leftOut) {
    process.stdout.write(`support: nothing is tried of ${system}: ${reason}\n`);
  }
  for (const system of systems.filter((one) => one !== ownSystem)) {
    const run = { system, criu: null, kernel: release(), test };
    const nodes = await step(`load the addon for ${system}`, (workDirectory, logFile) =>
      withLock(() => loadPackage(system, nodeMajors, { workDirectory, logFile, step: quietly })),
    );
    const tried = [...nodeMajors.map(nodeVersion), null].map((node) => ({ ...run, node }));
    writeRuns(
      tried,
      nodes.map((node) => ({ ...run, node })),
    );
  }
}

/** Runs the packages for arm64 in a machine that is emulated as a whole. */
async function tryArm64() {
  const system = 'linux-arm64-gnu';
  if (ownSystem === system || !makeableHere().systems.includes(system)) return;
  await step('fetch what a machine with arm64 needs', async (workDirectory, logFile) => {
    if (findCommand('qemu-system-aarch64') === undefined)
      await install(['qemu-system-arm'], logFile);
    if (findKernel(arm64KernelDirectory) === undefined) {
      await fetchArm64Kernel(workDirectory, logFile);
    }
    for (const major of nodeMajors) await fetchNode(major, 'arm64', logFile);
  });
  const places = readdirSync(join(packagesDirectory, 'criu-linux-arm64/source'));
  const version = places.flatMap((name) => /^criu_([\d.]+)\.orig/.exec(name)?.[1] ?? [])[0];
  if (version === undefined) throw new StepError('the package with CRIU for arm64 has no source');
  await runTests('vm', 'test/vm/support-arm64.test.ts', new Map([[version, '/opt/criu']]), system);
}

/**
 * @template T
 * @param {string} title
 * @param {(workDirectory: string, logFile: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function step(title, work) {
  process.stdout.write(`support: ${title} ...`);
  const startedAt = performance.now();
  try {
    return await inWorkDirectory('support', work);
  } finally {
    process.stdout.write(` ${seconds(startedAt)}\n`);
  }
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`support: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
