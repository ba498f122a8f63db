// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchSource } from './criu.mjs';
import { moveTo } from './debian-package.mjs';
import { root } from './paths.mjs';
import { run } from './process.mjs';

/**
 * Parts of CRIU's source: the definitions of its images, of which `npm run generate` makes what the package
 * reads them by, and crit, with which the tests compare that.
 */
export const criuSource = join(root, '.criu-source');

/** Where CRIU's Python package for images is, made ready to be imported as `images`. */
export const crit = join(criuSource, 'lib/pycriu');

// It is written last, so that it stands for the whole.
const versionFile = join(criuSource, 'VERSION');

export const hasCriuSource = () => existsSync(versionFile);

/** The release that the source is of. */
export const sourceVersion = () => readFileSync(versionFile, 'utf8');

/**
 * @param {string} workDirectory
 * @param {string} logFile
 */
export async function fetchCriuSource(workDirectory, logFile) {
  const download = join(workDirectory, 'criu-source');
  mkdirSync(download);
  const { version, archive } = await fetchSource(download, logFile);
  const tree = join(download, 'tree');
  mkdirSync(tree);
  const parts = ['images', 'lib/pycriu', 'criu/include/magic.h', 'scripts/magic-gen.py'];
  const members = parts.map((part) => `criu-${version}/${part}`);
  const options = ['--strip-components=1', '--no-same-owner'];
  await run('tar', ['-xf', archive, '-C', tree, ...options, ...members], { logFile });
  await prepareCrit(tree, logFile);
  writeFileSync(join(tree, 'VERSION'), version);
  await moveTo(tree, criuSource, logFile);
}

/**
 * Does what CRIU's makefile does for its Python package.
 *
 * @param {string} tree
 * @param {string} logFile
 */
async function prepareCrit(tree, logFile) {
  const out = 'lib/pycriu/images';
  const definitions = readdirSync(join(tree, 'images'))
    .filter((name) => name.endsWith('.proto') && name !== 'rpc.proto')
    .sort();
  const include = ['-Iimages', '-I/usr/include', `--python_out=${out}`];
  await run('protoc', [...include, ...definitions], { cwd: tree, logFile });
  const modules = definitions
    .filter((name) => name !== 'opts.proto')
    .map((name) => `from .${name.replace('.proto', '').replaceAll('-', '_')}_pb2 import *\n`);
  writeFileSync(join(tree, out, 'pb.py'), modules.join(''));
  const magic = ['scripts/magic-gen.py', 'criu/include/magic.h', `${out}/magic.py`];
  await run('python3', magic, { cwd: tree, logFile });
}
