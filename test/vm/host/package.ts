import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { criuBinary, prefix, projectRoot } from '../../helpers/paths.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { workloadBinary } from '../../helpers/system/process.js';
import type { FileTree } from './file-tree.js';

/** Where the package is in the guest. */
export const guestRoot = '/libcriu';

/** The program that runs the suites in the guest. */
export const guestMain: string = join(guestRoot, 'test/vm/guest/main.js');

/** What has examples that are run there. */
const documentation = ['README.md', 'CONTRIBUTING.md', 'bench/README.md', 'docs', 'examples'];

/** A path of this machine as the guest has it. */
export function inGuest(path: string): string {
  const inside = relative(projectRoot, path);
  return inside.startsWith('..') ? path : join(guestRoot, inside);
}

/** Adds the package as it was built, and the compiled tests. */
export async function addPackage(system: FileTree): Promise<void> {
  await addScripts(system);
  const add = (path: string): Promise<void> => system.add(inGuest(path), path);
  for (const name of ['test/workloads', ...documentation]) await add(resolve(projectRoot, name));
  const built = resolve(projectRoot, 'build/Release');
  const preloaded = ['criu_empty_tables.so', 'criu_parallel_pages.so', 'criu_tar_in_place.so'];
  for (const name of ['criu_guard', ...preloaded, 'tar-first', 'criu-first'])
    await add(join(built, name));
  const addon = join(built, 'criu_native.node');
  await system.addBinary(inGuest(addon), addon);
  await add(await workloadBinary());
}

/** Adds what of it is the same for all processors. */
export async function addScripts(system: FileTree): Promise<void> {
  const paths = ['package.json', 'dist'].map((name) => resolve(projectRoot, name));
  for (const path of [...paths, ...runtimeModules()]) await system.add(inGuest(path), path);
  const compiled = await compileGuest();
  for (const name of ['lib', 'tools', 'test/helpers', 'test/vm']) {
    await system.add(join(guestRoot, name), join(compiled, name));
  }
}

/** What the package needs when it runs, with what that needs. */
function runtimeModules(): string[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    const { dependencies = {} } = JSON.parse(readFileSync(file, 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      const directory = resolve(projectRoot, 'node_modules', name);
      if (found.has(directory)) continue;
      found.add(directory);
      visit(join(directory, 'package.json'));
    }
  };
  visit(resolve(projectRoot, 'package.json'));
  return [...found];
}

/** The tests and what they import of helpers and lib/, as JavaScript. */
async function compileGuest(): Promise<string> {
  const output = resolve(projectRoot, 'node_modules/.cache/libcriu-test/guest');
  await rm(output, { recursive: true, force: true });
  const tsc = resolve(projectRoot, 'node_modules/.bin/tsc');
  await runOk(tsc, ['-p', resolve(projectRoot, 'test/vm/tsconfig.json'), '--outDir', output]);
  return output;
}

/** Adds CRIU. Our own build lies in the package; another one stays where it is. */
export async function addCriu(system: FileTree): Promise<void> {
  await system.addBinary(inGuest(criuBinary), criuBinary);
  const own = join(prefix, 'lib/libcriu.so.2');
  const { stdout } = await run('/sbin/ldconfig', ['-p']);
  const library = existsSync(own) ? own : /libcriu\.so\.2 .*=> (\S+)/.exec(stdout)?.[1];
  if (library === undefined)
    throw new Error('there is no libcriu.so.2: run "npm run setup" as root');
  await system.addBinary(inGuest(library), library);
}
