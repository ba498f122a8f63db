// @ts-check
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleModules } from '../../tools/bundle.mjs';
import { root } from '../../tools/paths.mjs';
import { findCommand, run, StepError } from '../../tools/process.mjs';
import { compileForContainers, compileHarness, Harness } from './harness.mjs';
import { compileWorkload } from './workload.mjs';

/**
 * What all measurements share.
 *
 * @typedef {object} Context
 * @property {typeof import('../../lib/index.js')} libcriu the package under test
 * @property {(file: Uint8Array) => import('../../lib/index.js').DumpStats | undefined} decodeStats
 * @property {(id: string, stateRoot: string) => Promise<ContainerFacts>} factsOf
 * @property {() => Promise<readonly string[]>} criuEnvironment what the package gives to criu, `NAME=value` each
 * @property {{binary: string, library: string}} installation
 * @property {NodeJS.ProcessEnv} environment in which runc finds the same criu
 * @property {string} directory for everything, on a disk as a rule
 * @property {string} memoryDirectory on a tmpfs of ours
 * @property {string} harnessProgram
 * @property {Harness} harness
 * @property {(scope: import('./scope.mjs').Scope) => Harness} startHarness another one
 * @property {string} workload
 * @property {string} ticker
 * @property {string} connections
 * @property {string} runc
 * @property {string} busybox
 */

/**
 * A container as a request of CRIU has it.
 *
 * @typedef {object} ContainerFacts
 * @property {number} pid of its init
 * @property {import('../../lib/native/contract.js').CriuFields} fields that follow from its runtime's state
 */

/**
 * What we measure with, which the package does not export. From build/bench/ the modules find the package as
 * they do from dist/.
 */
const internals = {
  stats: 'lib/images/stats.ts',
  locate: 'lib/criu/locate.ts',
  addon: 'lib/native/addon.ts',
  find: 'lib/container/find.ts',
  fields: 'lib/container/fields.ts',
  environment: 'lib/criu/environment.ts',
};

/** @param {string} file from the root of the package */
const imported = (file) => import(pathToFileURL(join(root, file)).href);

/** @param {string} name */
function needed(name) {
  const command = findCommand(name);
  if (command === undefined) {
    throw new StepError(`${name} is needed and not installed`);
  }
  return command;
}

/** Where the programs are that the bench compiles. */
const programs = join(root, 'build/bench/programs');

/** Makes all that {@link openContext} takes for granted. */
export async function prepare() {
  await bundleModules(internals, join(root, 'build/bench'));
  await mkdir(programs, { recursive: true });
  await compileHarness(programs);
  await compileWorkload(programs);
  await compileForContainers('ticker', programs);
  await compileForContainers('connections', programs);
}

/**
 * @param {import('./scope.mjs').Scope} scope which removes all of it
 * @returns {Promise<Context>}
 */
export async function makeContext(scope) {
  if (process.geteuid?.() !== 0) {
    throw new StepError('only root can checkpoint: run it as root');
  }
  await prepare();
  return openContext(scope);
}

/**
 * The same where {@link prepare} has been called, perhaps by another process.
 *
 * @param {import('./scope.mjs').Scope} scope which removes all of it
 * @returns {Promise<Context>}
 */
export async function openContext(scope) {
  /** @type {Context['libcriu']} */
  const libcriu = await imported('dist/index.js');
  const { decodeDumpStats: decodeStats } = await imported('build/bench/stats.js');
  const { criuEnvironment } = await imported('build/bench/environment.js');
  const installation = await (await imported('build/bench/locate.js')).locate({});
  const { nativeAddon } = await imported('build/bench/addon.js');
  scope.defer(() => nativeAddon().closeAll());

  const directory = await mkdtemp(join(tmpdir(), 'libcriu-bench-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const environment = {
    ...process.env,
    PATH: [dirname(installation.binary), process.env['PATH']].filter(Boolean).join(delimiter),
  };
  /** @type {Context['startHarness']} */
  const startHarness = (owner) => {
    const harness = new Harness(join(programs, 'harness'), installation, environment);
    owner.defer(() => harness.close());
    return harness;
  };
  return {
    libcriu,
    decodeStats,
    factsOf,
    criuEnvironment,
    installation,
    environment,
    directory,
    memoryDirectory: await mountTmpfs(scope, join(directory, 'tmpfs')),
    harnessProgram: join(programs, 'harness'),
    harness: startHarness(scope),
    startHarness,
    workload: join(programs, 'workload'),
    ticker: join(programs, 'ticker'),
    connections: join(programs, 'connections'),
    runc: needed('runc'),
    busybox: needed('busybox'),
  };
}

/** @type {Context['factsOf']} */
async function factsOf(id, stateRoot) {
  const { findContainer } = await imported('build/bench/find.js');
  const { containerFields } = await imported('build/bench/fields.js');
  const container = await findContainer(id, { root: stateRoot });
  const { fields } = await containerFields(container, { preDump: false });
  return { pid: container.initPid, fields };
}

/**
 * @param {import('./scope.mjs').Scope} scope
 * @param {string} path
 */
async function mountTmpfs(scope, path) {
  await mkdir(path);
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=0700', 'libcriu-bench', path]);
  scope.defer(() => run('umount', [path]));
  return path;
}

let number = 0;

/**
 * A path for images that does not exist yet; re-using a directory costs CRIU time.
 *
 * @param {string} directory
 */
export function freshPath(directory) {
  return join(directory, `images-${number++}`);
}

/**
 * Measures with a fresh images directory, which is gone afterwards.
 *
 * @template T
 * @param {string} directory
 * @param {(imagePath: string) => Promise<T>} work
 */
export async function withImages(directory, work) {
  const imagePath = freshPath(directory);
  try {
    return await work(imagePath);
  } finally {
    // One call after the other is faster here: of a thousand processes there are 7000 files.
    rmSync(imagePath, { recursive: true, force: true });
  }
}

/**
 * Milliseconds that something takes.
 *
 * @param {() => Promise<unknown>} work
 */
export async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
