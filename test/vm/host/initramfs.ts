import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { prefix, projectRoot } from '../../helpers/paths.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { FileTree, requireCommand } from './file-tree.js';
import type { Kernel, MachineParts, MakeParts } from './machine.js';
import { addCriu, addPackage, guestMain, inGuest } from './package.js';

/** The program that the guest starts with. */
export const init: string = resolve(projectRoot, 'test/vm/guest/init');

/** Of the guest's own time: it switches itself off, should nobody be there any more. */
export const guestLimitS = 1800;

/** Whatever the tests, CRIU and the runtimes start. */
const programs = [
  ...['runc', 'crun', 'nft', 'iptables', 'ip', 'tar', 'gzip', 'setpriv'],
  // Of the migration's hosts.
  ...['tc', 'unshare', 'mount'],
];
/** Other names of the same program. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  iptables: ['iptables-restore', 'iptables-save', 'ip6tables-restore', 'ip6tables-save'],
};

/** Each with what it needs: for CRIU, its network lock, and the containers. */
const modules = [
  'af_packet_diag',
  'inet_diag',
  'netlink_diag',
  'nf_conntrack_netlink',
  'nf_tables',
  'nft_compat',
  'overlay',
  'raw_diag',
  'sch_tbf',
  'tcp_diag',
  'tun',
  'udp_diag',
  'unix_diag',
  'veth',
  'xt_mark',
];

/** What a bare machine has in the place of what all others have. */
export interface BareSettings {
  /** The directory of the suites that it runs. */
  suites: string;
  /** The Node.js that runs them. */
  node: string;
  /** Adds more to its files, and gives more of its environment. */
  add?: (system: FileTree) => Promise<NodeJS.Dict<string>>;
}

/** A machine that has nothing but the tests, with a program of ours as its init. */
export async function bareMachine(directory: string, kernel: Kernel): Promise<MachineParts> {
  const parts = await makeBare(directory, kernel, { suites: 'bare', node: process.execPath });
  const { parameters } = parts;
  const coverage = process.env['LIBCRIU_COVERAGE'] !== undefined;
  return {
    ...parts,
    name: 'guest',
    parameters: coverage ? [...parameters, 'LIBCRIU_VM_COVERAGE=1'] : parameters,
  };
}

/** The same with other files. */
export function bareMachineWith(settings: BareSettings): MakeParts {
  return (directory, kernel) => makeBare(directory, kernel, settings);
}

async function makeBare(
  directory: string,
  kernel: Kernel,
  { suites, node, add = async () => ({}) }: BareSettings,
): Promise<MachineParts> {
  const staging = join(directory, 'initramfs');
  const system = new FileTree(join(staging, 'system'));
  await addBase(system, node, kernel);
  const environment = {
    LIBCRIU_VM_NODE: node,
    LIBCRIU_VM_MAIN: guestMain,
    LIBCRIU_VM_LIMIT_S: `${guestLimitS}`,
    LIBCRIU_VM_SUITES: suites,
    ...(existsSync(prefix) ? { LIBCRIU_PREFIX: inGuest(prefix) } : {}),
    ...(await add(system)),
  };
  return {
    initramfs: await pack(staging, join(directory, 'initramfs.cpio'), requireCommand('busybox')),
    args: [
      // A nanosecond for each instruction, and none for waiting: the guest's clock stands still while
      // others have our processors, so that no limit in there is over sooner on a busy machine.
      ...['-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm'],
    ],
    parameters: [
      'quiet',
      // The kernel hands these to /init as its environment.
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ],
  };
}

/**
 * What the guest has: this machine's programs with their libraries, the package as it was built, and the
 * compiled tests.
 */
async function addBase(system: FileTree, node: string, kernel: Kernel): Promise<void> {
  await system.add('/init', init);
  await system.add('/bin/busybox', requireCommand('busybox'));
  await system.addBinary(node);
  await addPrograms(system);
  await addModules(system, kernel);
  await addPackage(system);
  await addCriu(system);
}

/** Makes the file system that the guest starts with, of a directory with its files and a busybox. */
export async function pack(staging: string, archive: string, busybox: string): Promise<string> {
  await mkdir(join(staging, 'bin'), { recursive: true });
  await copyFile(init, join(staging, 'init'));
  await symlink(busybox, join(staging, 'bin/busybox'));
  // It is made of links to the real files; cpio takes what they lead to.
  await runOk('sh', ['-c', 'find -L . | busybox cpio -o -H newc -L -F "$0"', archive], {
    cwd: staging,
  });
  return archive;
}

async function addPrograms(system: FileTree): Promise<void> {
  for (const name of programs) {
    const file = requireCommand(name);
    await system.addBinary(file);
    for (const alias of aliases[name] ?? []) await system.add(requireCommand(alias), file);
  }
  // What a rule of iptables matches by is loaded from beside its library.
  const { stdout } = await run('ldd', [requireCommand('iptables')]);
  const library = /(\/\S+\/libxtables\.so\S*) \(0x/.exec(stdout)?.[1];
  if (library !== undefined) {
    const extensions = join(dirname(realpathSync(library)), 'xtables');
    await system.add(extensions, extensions);
  }
}

export async function addModules(
  system: FileTree,
  { directory: kernel, version }: Kernel,
): Promise<void> {
  const directory = `/lib/modules/${version}`;
  const dependencies = readFileSync(join(kernel, directory, 'modules.dep'), 'utf8').split('\n');
  for (const name of modules) {
    const line = dependencies.find((entry) => new RegExp(`/${name}\\.ko\\S*:`).test(entry));
    if (line === undefined) throw new Error(`kernel ${version} has no module ${name}`);
    for (const file of line.replace(':', '').trim().split(/\s+/)) {
      await system.add(`${directory}/${file}`, join(kernel, directory, file));
    }
  }
  await system.add(`${directory}/modules.dep`, join(kernel, directory, 'modules.dep'));
  await system.write('/etc/modules', modules.join('\n'));
}
