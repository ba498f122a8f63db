// @ts-check
// Checks the packages of a release as they lie in their files.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { processorOf } from '../../tools/packing/elf.mjs';
import { sbomName } from '../../tools/packing/sbom.mjs';
import { newerThan, otherLibraries } from '../../tools/packing/symbols.mjs';
import { root, tool } from '../../tools/paths.mjs';
import { capture, run, StepError } from '../../tools/process.mjs';

/** What no package may have: sources of tests, what was built elsewhere, keys, notes. */
const strange =
  /(?:^|\/)(?:test|\.github|\.criu|\.git|node_modules|coverage|build)\/|\.(?:log|tgz|o|d|tsbuildinfo|pem|env)$|(?:^|\/)\.npmrc$/;

/** More than this in the main package is a mistake. */
const mostBytes = 2 * 2 ** 20;

/** @param {string} file */
export const isMain = (file) => /^libcriu-\d/.test(basename(file));

/** @param {string} file @returns {Promise<string[]>} the names of its members */
export async function contentOf(file) {
  const { status, stdout, stderr } = await capture('tar', ['-tzf', file], { cwd: root });
  if (status !== 0) throw new StepError(`${basename(file)} cannot be read: ${stderr.trim()}`);
  return stdout.trim().split('\n');
}

/**
 * @param {string} file of a package
 * @param {readonly string[]} others the names of those with native code that are published with it
 * @returns {Promise<string[]>} what was checked, for people
 */
export async function checkPackage(file, others) {
  const content = await contentOf(file);
  checkContent(file, content);
  await run(tool('publint'), [file, '--strict'], { cwd: root });
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-release-'));
  try {
    await run('tar', ['-xzf', file, '-C', directory, '--strip-components=1']);
    return isMain(file) ? await checkMain(file, directory, others) : await checkNative(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @type {(file: string, content: readonly string[]) => void} */
function checkContent(file, content) {
  const allowed = isMain(file)
    ? content
    : content.filter((name) => !/\/(?:bin|lib|libexec)\//.test(name));
  const unwanted = allowed.filter((name) => strange.test(name.replace(/^package\//, '')));
  if (unwanted.length > 0) throw new StepError(`${basename(file)} has ${unwanted.join(', ')}`);
  if (!content.some((name) => /^package\/(?:LICENSE|licenses\/)/.test(name))) {
    throw new StepError(`${basename(file)} has no licence`);
  }
}

/** @param {string} directory @returns {any} */
const manifestIn = (directory) => JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));

/** @type {(file: string, directory: string, others: readonly string[]) => Promise<string[]>} */
async function checkMain(file, directory, others) {
  const { size } = statSync(file);
  if (size > mostBytes) throw new StepError(`${basename(file)} has ${size} bytes`);
  const native = filesIn(directory).filter((name) => /\.(?:node|so|a)$/.test(name));
  if (native.length > 0) throw new StepError(`${basename(file)} has ${native.join(', ')}`);
  const { version, optionalDependencies = {} } = manifestIn(directory);
  const expected = Object.fromEntries(others.map((name) => [name, version]));
  if (JSON.stringify(optionalDependencies) !== JSON.stringify(expected)) {
    throw new StepError(`${basename(file)} does not go with ${others.join(', ')} alone`);
  }
  // Node.js 20.19 and newer can require() the modules of a package.
  const ignored = ['--ignore-rules', 'cjs-resolves-to-esm'];
  await run(tool('attw'), [file, '--no-emoji', '--format', 'table-flipped', ...ignored], {
    cwd: root,
  });
  return [`${others.length} packages with native code go with it`];
}

/** One with native code. @param {string} directory @returns {Promise<string[]>} */
async function checkNative(directory) {
  const { name, version, cpu, libc } = manifestIn(directory);
  const programs = filesIn(directory).filter((file) => isElf(join(directory, file)));
  if (programs.length === 0) throw new StepError(`${name} has nothing that was built`);
  for (const program of programs) {
    const file = join(directory, program);
    const faults = [
      ...((await processorOf(file)) === cpu[0] ? [] : [`is for ${await processorOf(file)}`]),
      ...(await newerThan(file, libc[0] === 'musl' ? '0' : undefined)).map((one) => `needs ${one}`),
      ...(await missingLibraries(file, libc[0], directory)).map((one) => `needs ${one}`),
    ];
    if (faults.length > 0) throw new StepError(`${name}: ${program} ${faults.join(', ')}`);
  }
  const components = checkSbom(directory, { name, version });
  return [
    `${programs.length} programs and libraries are for ${cpu[0]} with ${libc[0]}`,
    `${sbomName} has ${components} of others`,
  ];
}

/** The libraries that are neither the C library's nor beside it. @type {(file: string, libc: string, directory: string) => Promise<string[]>} */
async function missingLibraries(file, libc, directory) {
  const others = await otherLibraries(file, libc === 'musl' ? /^libc\.so$/ : undefined);
  const own = new Set(filesIn(directory).map((name) => basename(name)));
  return others.filter((name) => !own.has(name));
}

/** Each of its components has a licence, whose text is there. @type {(directory: string, own: {name: string, version: string}) => number} */
function checkSbom(directory, { name, version }) {
  const sbom = JSON.parse(readFileSync(join(directory, sbomName), 'utf8'));
  const { component } = sbom.metadata;
  if (component.name !== name || component.version !== version) {
    throw new StepError(`${sbomName} of ${name} ${version} is for ${component.name}`);
  }
  const files = filesIn(directory);
  for (const { name: of, licenses } of sbom.components) {
    const [{ expression, license }] = licenses;
    if (!expression && !files.includes(license.name)) {
      throw new StepError(`${name} has no text of the licence of ${of}`);
    }
  }
  return sbom.components.length;
}

/** @param {string} directory */
const filesIn = (directory) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(directory, name)).isFile(),
  );

/** @param {string} file */
function isElf(file) {
  const start = readFileSync(file).subarray(0, 4);
  return start.toString('latin1') === '\x7fELF';
}
