import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { arm64KernelDirectory } from '../../../tools/kernel.mjs';
import { findRoot, toolchainFor } from '../../../tools/packing/build-root.mjs';
import { neededBy } from '../../../tools/packing/elf.mjs';
import { runInRoot } from '../../../tools/packing/in-root.mjs';
import { compilersLibraries } from '../../../tools/packing/try-addon.mjs';
import { platforms } from '../../../tools/platforms.mjs';
import { projectRoot } from '../../helpers/paths.js';
import { passThroughProgram } from '../../helpers/support/cell.js';
import { workloadBinary } from '../../helpers/system/process.js';
import { FileTree } from './file-tree.js';
import { addModules, guestLimitS, init, pack } from './initramfs.js';
import { arm64, type MakeParts } from './machine.js';
import { addScripts, guestMain, inGuest } from './package.js';

/** Where the packages are in the guest. */
const [addon, criu, node] = ['/opt/addon', '/opt/criu', '/usr/bin/node'];

/**
 * A machine with another processor, which has the packages for it, made by `npm run pack`, and the libraries
 * with which they were built.
 *
 * @param program - Node.js for it.
 * @param version - That of the CRIU in the package.
 */
export function arm64Machine(program: string, version: string): MakeParts {
  return async (directory, kernel) => {
    const staging = join(directory, 'initramfs');
    const system = new FileTree(join(staging, 'system'));
    const busybox = join(arm64KernelDirectory, 'bin/busybox');
    await system.add('/init', init);
    await system.add('/bin/busybox', busybox);
    await addModules(system, kernel);
    await addScripts(system);
    await system.add(inGuest(passThroughProgram), passThroughProgram);
    await addNative(system, program, directory);
    const environment = {
      LIBCRIU_VM_NODE: node,
      LIBCRIU_VM_MAIN: guestMain,
      LIBCRIU_VM_LIMIT_S: `${guestLimitS}`,
      LIBCRIU_VM_SUITES: 'support',
      LIBCRIU_VM_REPORTS: `/dev/${arm64.console}`,
      LIBCRIU_SUPPORT_CRIU: `${version}=${criu}`,
      LIBCRIU_ADDON: `${addon}/criu_native.node`,
      LIBCRIU_PREFIX: criu,
    };
    return {
      initramfs: await pack(staging, join(directory, 'initramfs.cpio'), busybox),
      args: ['-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm'],
      parameters: [
        'quiet',
        ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ],
    };
  };
}

/** The root in which the packages for arm64 are built. */
function buildRoot(): string {
  const platform = platforms.find(({ directory }) => directory === 'linux-arm64-gnu');
  const tree = platform && findRoot(toolchainFor(platform).contents);
  if (tree === undefined) throw new Error('run "npm run pack -- --for linux-arm64-gnu" first');
  return tree;
}

async function addNative(system: FileTree, program: string, directory: string): Promise<void> {
  const tree = buildRoot();
  const packages = [
    [addon, resolve(projectRoot, 'npm/linux-arm64-gnu')],
    [criu, resolve(projectRoot, 'npm/criu-linux-arm64')],
  ] as const;
  for (const [place, made] of packages) await system.add(place, made);
  await system.add(node, program);
  const own = packages.flatMap(([, made]) =>
    readdirSync(made, { recursive: true, encoding: 'utf8' }).map((name) => basename(name)),
  );
  const elves = [
    program,
    join(packages[0][1], 'criu_native.node'),
    join(packages[1][1], 'sbin/criu'),
  ];
  await addLibraries(system, tree, elves, new Set(own));
  const workload = await workloadBinary();
  await system.add(inGuest(workload), await compileWorkload(tree, directory));
  const source = resolve(projectRoot, 'test/workloads');
  await system.add(inGuest(source), source);
}

/** Adds the libraries that files need, of the root, but for those that are in the packages. */
async function addLibraries(
  system: FileTree,
  tree: string,
  files: readonly string[],
  own: ReadonlySet<string>,
): Promise<void> {
  const debians = ['/lib', '/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu'];
  const places = [...debians, compilersLibraries];
  const left = [...files];
  const seen = new Set<string>();
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    for (const name of await neededBy(file)) {
      if (seen.has(name) || own.has(name)) continue;
      seen.add(name);
      const place = places.find((one) => existsSync(join(tree, one, name)));
      if (place === undefined) throw new Error(`there is no ${name} in ${tree}`);
      const to = place === compilersLibraries ? '/lib/aarch64-linux-gnu' : place;
      await system.add(join(to, name), join(tree, place, name));
      left.push(join(tree, place, name));
    }
  }
}

async function compileWorkload(tree: string, directory: string): Promise<string> {
  const output = join(directory, 'workload');
  await mkdir(output);
  const binds = [
    { from: resolve(projectRoot, 'test/workloads'), to: '/source' },
    { from: output, to: '/output', writable: true },
  ];
  const flags = ['-O2', '-static', '-pthread', '-o', '/output/workload', '/source/workload.c'];
  await runInRoot(tree, binds, ['aarch64-linux-gnu-gcc', ...flags], undefined);
  return join(output, 'workload');
}
