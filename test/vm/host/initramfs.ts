import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { findKernel } from '../../../tools/kernel.mjs';
import { findCommand } from '../../../tools/process.mjs';
import { criuBinary, prefix, projectRoot } from '../../helpers/paths.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { workloadBinary } from '../../helpers/system/process.js';

/** The kernel that set-up has fetched. */
type Kernel = NonNullable<ReturnType<typeof findKernel>>;

/** Where the package is in the guest. */
const guestRoot = '/libcriu';

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

/**
 * The file system that the guest starts with: this machine's programs with their libraries, the
 * package as it was built, and the compiled tests.
 *
 * @param directory - An empty one, for the archive and what it is made of.
 * @returns the archive's path
 */
export async function buildInitramfs(directory: string, kernel: Kernel): Promise<string> {
  const staging = join(directory, 'initramfs');
  await mkdir(join(staging, 'bin'), { recursive: true });
  const init = resolve(projectRoot, 'test/vm/guest/init');
  await copyFile(init, join(staging, 'init'));
  await symlink(requireCommand('busybox'), join(staging, 'bin/busybox'));
  const system = new FileTree(join(staging, 'system'));
  await system.add('/init', init);
  await system.add('/bin/busybox', requireCommand('busybox'));
  await addPrograms(system);
  await addModules(system, kernel);
  await addPackage(system);
  await addCriu(system);
  const archive = join(directory, 'initramfs.cpio');
  // It is made of links to the real files; cpio takes what they lead to.
  await runOk('sh', ['-c', 'find -L . | busybox cpio -o -H newc -L -F "$0"', archive], {
    cwd: staging,
  });
  return archive;
}

/** Links to files and directories of this machine, laid out as the guest is to have them. */
class FileTree {
  readonly #root: string;
  readonly #added = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  async add(path: string, target: string): Promise<void> {
    if (this.#added.has(path)) return;
    this.#added.add(path);
    const link = join(this.#root, path);
    await mkdir(dirname(link), { recursive: true });
    await symlink(realpathSync(target), link);
  }

  /** A file that is made here. */
  async write(path: string, text: string): Promise<void> {
    const file = join(this.#root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  /** A program or a library, with all the libraries that it is linked to. */
  async addBinary(path: string, target = path): Promise<void> {
    await this.add(path, target);
    const { stdout } = await run('ldd', [target]);
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      if (library !== undefined) await this.add(library, library);
    }
  }
}

function requireCommand(name: string): string {
  const file = findCommand(name);
  if (file === undefined) throw new Error(`there is no ${name}: run "npm run setup" as root`);
  return file;
}

async function addPrograms(system: FileTree): Promise<void> {
  await system.addBinary(process.execPath);
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

async function addModules(system: FileTree, { directory: kernel, version }: Kernel): Promise<void> {
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

async function addPackage(system: FileTree): Promise<void> {
  const add = (path: string): Promise<void> => system.add(inGuest(path), path);
  for (const name of ['package.json', 'dist', 'examples', 'test/workloads']) {
    await add(resolve(projectRoot, name));
  }
  const built = resolve(projectRoot, 'build/Release');
  for (const name of ['criu_guard', 'criu_empty_conntrack.so', 'tar-first'])
    await add(join(built, name));
  const addon = join(built, 'criu_native.node');
  await system.addBinary(inGuest(addon), addon);
  for (const path of runtimeModules()) await add(path);
  await add(await workloadBinary());
  const compiled = await compileGuest();
  for (const name of ['lib', 'tools', 'test/helpers', 'test/vm']) {
    await system.add(join(guestRoot, name), join(compiled, name));
  }
}

/** A path of this machine as the guest has it. */
export function inGuest(path: string): string {
  const inside = relative(projectRoot, path);
  return inside.startsWith('..') ? path : join(guestRoot, inside);
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

/** Our own build of CRIU lies in the package; another one stays where it is. */
async function addCriu(system: FileTree): Promise<void> {
  await system.addBinary(inGuest(criuBinary), criuBinary);
  const own = join(prefix, 'lib/libcriu.so.2');
  const { stdout } = await run('/sbin/ldconfig', ['-p']);
  const library = existsSync(own) ? own : /libcriu\.so\.2 .*=> (\S+)/.exec(stdout)?.[1];
  if (library === undefined)
    throw new Error('there is no libcriu.so.2: run "npm run setup" as root');
  await system.addBinary(inGuest(library), library);
}
