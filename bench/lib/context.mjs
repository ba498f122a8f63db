// @ts-check
import { existsSync } from 'node:fs';
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
 * @property {{binary: string, library: string}} installation
 * @property {NodeJS.ProcessEnv} environment in which runc finds the same criu
 * @property {string} directory for everything, on a disk as a rule
 * @property {string} memoryDirectory on a tmpfs of ours
 * @property {Harness} harness
 * @property {(scope: import('./scope.mjs').Scope) => Harness} startHarness another one
 * @property {string} workload
 * @property {string} ticker
 * @property {string} connections
 * @property {string} runc
 * @property {string} busybox
 */

/**
 * What we measure with, which the package does not export. From build/bench/ the modules find the package as
 * they do from dist/.
 */
const internals = {
  stats: 'lib/images/stats.ts',
  locate: 'lib/criu/locate.ts',
  addon: 'lib/native/addon.ts',
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

/**
 * @param {import('./scope.mjs').Scope} scope which removes all of it
 * @returns {Promise<Context>}
 */
export async function makeContext(scope) {
  if (process.geteuid?.() !== 0) {
    throw new StepError('only root can checkpoint: run it as root');
  }
  /** @type {Context['libcriu']} */
  const libcriu = await imported('dist/index.js');
  await bundleModules(internals, join(root, 'build/bench'));
  const { decodeDumpStats: decodeStats } = await imported('build/bench/stats.js');
  const installation = await (await imported('build/bench/locate.js')).locate({});
  const { nativeAddon } = await imported('build/bench/addon.js');
  scope.defer(() => nativeAddon().closeAll());

  const directory = await mkdtemp(join(tmpdir(), 'libcriu-bench-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const environment = {
    ...process.env,
    PATH: [dirname(installation.binary), process.env['PATH']].filter(Boolean).join(delimiter),
  };
  const harnessProgram = await compileHarness(directory);
  /** @type {Context['startHarness']} */
  const startHarness = (owner) => {
    const harness = new Harness(harnessProgram, installation, environment);
    owner.defer(() => harness.close());
    return harness;
  };
  return {
    libcriu,
    decodeStats,
    installation,
    environment,
    directory,
    memoryDirectory: await mountTmpfs(scope, join(directory, 'tmpfs')),
    harness: startHarness(scope),
    startHarness,
    workload: await compileWorkload(directory),
    ticker: await compileForContainers('ticker', directory),
    connections: await compileForContainers('connections', directory),
    runc: needed('runc'),
    busybox: needed('busybox'),
  };
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
    if (existsSync(imagePath)) {
      await rm(imagePath, { recursive: true });
    }
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
