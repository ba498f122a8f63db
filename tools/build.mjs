// @ts-check
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { bundle } from './bundle.mjs';
import { fingerprint, readNote } from './fingerprint.mjs';
import { isCheckout, root, tool } from './paths.mjs';
import { installedAddons } from './platforms.mjs';
import { run, StepError } from './process.mjs';

/**
 * @typedef {object} BuildOptions
 * @property {boolean} [debug] a Debug build of the addon
 * @property {string} [sanitize] `address` or `undefined`
 * @property {boolean} [force] build even what is up to date
 * @property {string} [logFile] where the tools' output goes; our own stdout and stderr without it
 */

const addonInputs = ['native', 'binding.gyp'];
const typescriptInputs = [
  'lib',
  'tsconfig.json',
  'package.json',
  'node_modules/.package-lock.json',
  'tools/bundle.mjs',
];
// In build/, so that whatever wipes the addon wipes its note too, and not in dist/, which is shipped.
const addonNote = 'build/criu_native.inputs';
const typescriptNote = 'build/typescript.inputs';

/** @param {BuildOptions} options */
const addonFlavour = ({ debug, sanitize }) =>
  `${debug ? 'Debug' : 'Release'} ${sanitize ?? ''} ${process.arch}`;

/** Whether an addon that can be loaded is there: one of a package, or one that was built here. */
export function hasAddon() {
  const files = [...installedAddons(), addonFile(true), addonFile(false)];
  return files.some((file) => existsSync(file) && canBeLoaded(file));
}

// In a process of its own: what was loaded once stays in this one, also when its file is made anew.
/** @param {string} file */
function canBeLoaded(file) {
  const program = 'require(process.argv[1])';
  return spawnSync(process.execPath, ['-e', program, file], { stdio: 'ignore' }).status === 0;
}

/** Whether the addon, in whichever configuration it was built, is made of the present sources. */
export function addonIsCurrent() {
  const [flavour, hash] = readNote(addonNote)?.split('\n') ?? [];
  return (
    flavour?.endsWith(` ${process.arch}`) === true &&
    hash === fingerprint(addonInputs) &&
    existsSync(addonFile(flavour.startsWith('Debug')))
  );
}

/** Whether dist/ is made of the present sources. */
export function typescriptIsCurrent() {
  return (
    existsSync(join(root, 'dist/index.js')) &&
    readNote(typescriptNote) === fingerprint(typescriptInputs)
  );
}

/** @param {boolean | undefined} debug */
function addonFile(debug) {
  return join(root, 'build', debug ? 'Debug' : 'Release', 'criu_native.node');
}

/**
 * The addon as it is shipped, by node-gyp.
 *
 * @param {BuildOptions} [options]
 * @returns {Promise<boolean>} false when it was up to date
 */
export async function buildAddon(options = {}) {
  const flavour = addonFlavour(options);
  const sameFlavour = readNote(addonNote)?.split('\n')[0] === flavour;
  if (sameFlavour && addonIsCurrent() && !options.force) {
    return false;
  }
  const hash = fingerprint(addonInputs);
  // `rebuild` wipes build/: loaders prefer a Debug file, and a stale one would win over ours.
  const command = sameFlavour && !options.force ? ['configure', 'build'] : ['rebuild'];
  const args = [...command, options.debug ? '--debug' : '--release', '--jobs=max'];
  const variables = [`werror=${isCheckout}`, `sanitize=${options.sanitize ?? ''}`];
  rmSync(join(root, addonNote), { force: true });
  await run(process.execPath, [nodeGyp(), ...args], {
    cwd: root,
    // Read by gyp; node-gyp hands arguments after `--` to make as well, which knows no -D.
    env: { ...headersEnvironment(), GYP_DEFINES: variables.join(' ') },
    logFile: options.logFile,
  });
  writeFileSync(join(root, addonNote), `${flavour}\n${hash}`);
  return true;
}

/** node-gyp of our own, or the one inside npm where development packages are not installed. */
function nodeGyp() {
  const npm = join(dirname(process.execPath), '../lib/node_modules/npm');
  const candidates = [
    join(root, 'node_modules/node-gyp/bin/node-gyp.js'),
    join(npm, 'node_modules/node-gyp/bin/node-gyp.js'),
  ];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) {
    throw new StepError(`node-gyp is missing: ${candidates.join(' and ')} do not exist`);
  }
  return found;
}

// An installation of Node brings its own headers; without them node-gyp and cmake-js download them.
function headersEnvironment() {
  const prefix = resolve(process.execPath, '../..');
  if (!existsSync(join(prefix, 'include/node/common.gypi'))) {
    return process.env;
  }
  // The first name is read by node-gyp, the second by cmake-js.
  return {
    ...process.env,
    npm_package_config_node_gyp_nodedir: prefix,
    npm_config_nodedir: prefix,
  };
}

/**
 * A developer build of the addon and its programs, by cmake-js: the plain one is in build-cmake/, and
 * each of those that look at what they run has a directory of its own.
 *
 * @param {{kind?: string, configureOnly?: boolean, logFile?: string}} [options] `kind` is `address`,
 *   `undefined` (sanitizers) or `coverage`
 * @returns {Promise<string>} the path of the addon, as LIBCRIU_ADDON takes it
 */
export async function buildWithCmake({ kind = 'OFF', configureOnly = false, logFile } = {}) {
  const directory = kind === 'OFF' ? 'build-cmake' : `build-cmake-${kind}`;
  const args = ['-d', 'native', '-O', directory, '--debug', `--CDINSTRUMENT=${kind}`];
  // `compile` alone leaves a directory as it was configured before.
  for (const command of configureOnly ? ['configure'] : ['configure', 'compile']) {
    await run(tool('cmake-js'), [command, ...args], {
      cwd: root,
      env: headersEnvironment(),
      logFile,
    });
  }
  return join(root, directory, 'Debug/criu_native.node');
}

/**
 * lib/ to dist/: the declarations module by module, and the JavaScript in a few files.
 *
 * @param {BuildOptions} [options]
 * @returns {Promise<boolean>} false when it was up to date
 */
export async function buildTypescript({ force = false, logFile } = {}) {
  if (!force && typescriptIsCurrent()) {
    return false;
  }
  const hash = fingerprint(typescriptInputs);
  const output = join(root, 'dist');
  rmSync(join(root, typescriptNote), { force: true });
  await run(tool('tsc'), ['-p', 'tsconfig.json', '--emitDeclarationOnly'], { cwd: root, logFile });
  const written = await bundle(output);
  prune(output, new Set(written.map((name) => join(output, name))));
  chmodSync(join(output, 'cli/main.js'), 0o755);
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(join(root, typescriptNote), hash);
  return true;
}

/**
 * Removes what this build has not made. dist/ is not wiped before a build, because a running process may be
 * loading from it.
 *
 * @param {string} output
 * @param {ReadonlySet<string>} written the JavaScript and its maps
 */
function prune(output, written) {
  for (const name of readdirSync(output, { recursive: true, encoding: 'utf8' })) {
    const file = join(output, name);
    const source = join(root, 'lib', name.replace(/\.d\.ts(\.map)?$/, '.ts'));
    const isDeclaration = source.endsWith('.ts') && existsSync(source);
    if (!isDeclaration && !written.has(file) && !statSync(file).isDirectory()) rmSync(file);
  }
}
