// @ts-check
// The package with CRIU, libcriu and the libraries that they need.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fetchSource, newKernelDataDirectory, prefix as ownPrefix } from '../criu.mjs';
import { capture, run, StepError } from '../process.mjs';
import { neededBy } from './elf.mjs';
import { runInRoot } from './in-root.mjs';
import { beginPackage, criuManifest } from './manifests.mjs';
import { writeSbom } from './sbom.mjs';
import { librariesOfGlibc } from './symbols.mjs';

/** @typedef {(typeof import('../platforms.mjs').criuPackages)[number]} CriuPackage */

/**
 * CRIU as it was built, and the root file system whose libraries it needs.
 *
 * @typedef {object} BuiltCriu
 * @property {string} version
 * @property {string} archive its source
 * @property {string} prefix
 * @property {string} tree
 * @property {string} multiarch the system that it is for, as Debian has it in paths
 * @property {boolean} isStripped
 */

/** As Debian has it in paths. @type {Readonly<Record<import('../platforms.mjs').Architecture, string>>} */
const multiarchNames = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/**
 * Builds CRIU in a root file system.
 *
 * @param {string} tree
 * @param {CriuPackage} criu
 * @param {import('./build-root.mjs').Toolchain} toolchain of that root
 * @param {string} workDirectory
 * @param {string} logFile
 * @returns {Promise<BuiltCriu>}
 */
export async function buildCriuInRoot(tree, { name, cpu }, toolchain, workDirectory, logFile) {
  const { version, sha256, archive } = await fetchSource(workDirectory, logFile);
  const work = mkdtempSync(join(workDirectory, 'criu-'));
  const unpack = ['-xf', archive, '-C', work, '--no-same-owner', '--strip-components=1'];
  await run('tar', unpack, { logFile });
  const directory = newKernelDataDirectory({ version, sha256, prefix: name, builtAt: new Date() });
  const variables = [
    'PREFIX=/usr',
    'LIBDIR=/usr/lib',
    // The plugins of the system's criu are made for that one.
    'PLUGINDIR=/usr/lib/criu-of-libcriu',
    `RUNDIR=${directory}`,
    'SKIP_PIP_INSTALL=1',
  ];
  const multiarch = multiarchNames[cpu];
  const { prefix = '' } = toolchain;
  if (prefix !== '') {
    variables.push(`ARCH=${multiarch.split('-')[0]}`, `CROSS_COMPILE=${prefix}`);
  }
  const script =
    'cd /criu; strip=$1; jobs=$2; shift 2; make -j"$jobs" "$@" && ' +
    'make install-criu install-lib DESTDIR=/criu/installed "$@" && ' +
    '"$strip" --strip-unneeded installed/usr/sbin/criu installed/usr/lib/libcriu.so.2.*';
  const words = [`${prefix}strip`, `${availableParallelism()}`, ...variables];
  // Those of this processor are not for what is built for another.
  const places = `PKG_CONFIG_LIBDIR=/usr/lib/${multiarch}/pkgconfig:/usr/share/pkgconfig`;
  const command = ['env', places, 'sh', '-c', script, 'sh', ...words];
  await runInRoot(tree, [{ from: work, to: '/criu', writable: true }], command, logFile);
  const installed = join(work, 'installed/usr');
  return { version, archive, prefix: installed, tree, multiarch, isStripped: true };
}

/**
 * The CRIU that set-up has built, or else the system's.
 *
 * @param {string} workDirectory
 * @param {string} logFile
 * @returns {Promise<BuiltCriu>}
 */
export async function findCriuHere(workDirectory, logFile) {
  const { version, archive } = await fetchSource(workDirectory, logFile);
  const prefix = existsSync(ownPrefix) ? ownPrefix : '/usr';
  const cpu = /** @type {import('../platforms.mjs').Architecture} */ (process.arch);
  return { version, archive, prefix, tree: '/', multiarch: multiarchNames[cpu], isStripped: false };
}

/**
 * Makes the package: program and library find what they need in its directory `lib`, wherever that is.
 *
 * @param {CriuPackage} criu
 * @param {BuiltCriu} built
 * @param {string} directory
 * @param {string | undefined} logFile
 */
export async function makeCriuPackage(criu, built, directory, logFile) {
  const { version, archive, prefix, tree, multiarch, isStripped } = built;
  const program = join(prefix, 'sbin/criu');
  const library = ['lib', join('lib', multiarch)]
    .map((name) => join(prefix, name, 'libcriu.so.2'))
    .find((file) => existsSync(file));
  if (library === undefined) throw new StepError(`there is no libcriu.so.2 in ${prefix}`);
  const libraries = await librariesNeededBy([program, library], tree, multiarch);
  const packages = await packagesOf([...libraries.values()], tree);

  beginPackage(directory, criuManifest(criu), readme(version, basename(archive), packages));
  for (const name of ['sbin', 'lib', 'licenses', 'source']) mkdirSync(join(directory, name));
  const ofLibrary = { libraries: '$ORIGIN', logFile };
  await place(program, join(directory, 'sbin/criu'), {
    libraries: '$ORIGIN/../lib',
    strips: !isStripped,
    logFile,
  });
  await place(realpathSync(library), join(directory, 'lib/libcriu.so.2'), {
    ...ofLibrary,
    strips: !isStripped,
  });
  for (const [name, path] of libraries) {
    await place(realpathSync(join(tree, path)), join(directory, 'lib', name), ofLibrary);
  }
  cpSync(archive, join(directory, 'source', basename(archive)));
  await addLicenses(archive, packages, tree, directory, logFile);
  writeSbom(directory, criuManifest(criu), componentsOf(version, packages, multiarch));
}

/** @type {(version: string, packages: readonly DebianPackage[], multiarch: string) => import('./sbom.mjs').Component[]} */
function componentsOf(version, packages, multiarch) {
  const architecture = multiarch.startsWith('aarch64') ? 'arm64' : 'amd64';
  const purl = `pkg:github/checkpoint-restore/criu@v${version}`;
  return [
    { name: 'criu', version, license: 'GPL-2.0-only', purl },
    { name: 'libcriu', version, license: 'LGPL-2.1-only', purl: `${purl}#lib/c` },
    ...packages.map(({ name, version: of }) => ({
      name,
      version: of,
      license: `licenses/${name}.txt`,
      purl: `pkg:deb/debian/${name}@${of}?arch=${architecture}`,
    })),
  ];
}

/**
 * @param {string} from
 * @param {string} to
 * @param {{libraries: string, strips?: boolean, logFile: string | undefined}} how where it finds libraries;
 *   whether it has still to be stripped: those of Debian are
 */
async function place(from, to, { libraries, strips = false, logFile }) {
  cpSync(from, to);
  chmodSync(to, 0o755);
  if (strips) await run('strip', ['--strip-unneeded', to], { logFile });
  // Of the kind that also holds for what the libraries need in turn.
  await run('patchelf', ['--force-rpath', '--set-rpath', libraries, to], { logFile });
}

/**
 * All libraries that files need, but for those of glibc.
 *
 * @param {readonly string[]} files
 * @param {string} tree
 * @param {string} multiarch
 * @returns {Promise<Map<string, string>>} by their names their paths in the tree
 */
async function librariesNeededBy(files, tree, multiarch) {
  const places = ['/usr/lib', '/lib'].flatMap((one) => [join(one, multiarch), one]);
  /** @type {Map<string, string>} */
  const found = new Map();
  const left = [...files];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    for (const name of await neededBy(file)) {
      if (librariesOfGlibc.test(name) || found.has(name)) continue;
      const path = places.map((one) => join(one, name)).find((one) => existsSync(join(tree, one)));
      if (path === undefined) throw new StepError(`there is no ${name} in ${tree}`);
      found.set(name, path);
      left.push(join(tree, path));
    }
  }
  return found;
}

/** A package of Debian: what it is built from decides on its licence. @typedef {{name: string, source: string, version: string}} DebianPackage */

/**
 * The packages of Debian that files belong to.
 *
 * @param {readonly string[]} files
 * @param {string} tree
 * @returns {Promise<DebianPackage[]>}
 */
async function packagesOf(files, tree) {
  const database = `--admindir=${join(tree, 'var/lib/dpkg')}`;
  const names = new Set();
  for (const file of files) {
    // On some systems /lib is a link to /usr/lib, and packages were made before.
    const paths = [file, file.replace(/^\/usr/, '')];
    const { stdout } = await capture('dpkg-query', [database, '--search', ...paths]);
    const name = /^([^\s,]+?)(?:,|: )/.exec(stdout)?.[1];
    if (name === undefined) throw new StepError(`${file} belongs to no package`);
    names.add(name);
  }
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const format = '--showformat=${Package} ${source:Package} ${source:Version}\n';
  const { stdout } = await capture('dpkg-query', [database, '--show', format, ...names]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', source = '', version = ''] = line.split(' ');
      return { name, source, version };
    })
    .sort((left, right) => left.name.localeCompare(right.name));
}

/** @type {(archive: string, packages: readonly DebianPackage[], tree: string, directory: string, logFile: string | undefined) => Promise<void>} */
async function addLicenses(archive, packages, tree, directory, logFile) {
  const licenses = join(directory, 'licenses');
  const ofCriu = join(licenses, 'criu');
  mkdirSync(ofCriu);
  const member = ['-xf', archive, '-C', ofCriu, '--strip-components=1', '--wildcards', '*/COPYING'];
  await run('tar', member, { logFile });
  for (const { name } of packages) {
    const from = join(tree, 'usr/share/doc', name, 'copyright');
    if (!existsSync(from)) throw new StepError(`${name} has no text of its licence at ${from}`);
    cpSync(realpathSync(from), join(licenses, `${name}.txt`));
  }
  // What those texts refer to.
  cpSync(join(tree, 'usr/share/common-licenses'), join(licenses, 'common'), {
    recursive: true,
    dereference: true,
  });
  writeFileSync(join(licenses, 'README.md'), licensesText(packages));
}

/** @param {readonly DebianPackage[]} packages */
function licensesText(packages) {
  return (
    '# Licences\n\n' +
    '`criu/` has the text for `sbin/criu` (GNU General Public License 2) and for `lib/libcriu.so.2` (GNU\n' +
    'Lesser General Public License 2.1). The other files have those of the other libraries, and `common/` the\n' +
    'texts that they refer to.\n\n' +
    `${packages.map(({ name }) => `- [${name}](${name}.txt)`).join('\n')}\n`
  );
}

/** @type {(version: string, archive: string, packages: readonly DebianPackage[]) => string} */
function readme(version, archive, packages) {
  const rows = packages.map(({ name, source, version: of }) => {
    const address = `https://snapshot.debian.org/package/${source}/${of}/`;
    return `| ${name} | [${source} ${of}](${address}) |`;
  });
  const text = [
    `[CRIU](https://criu.org) ${version}, unchanged, for the package libcriu, which runs \`sbin/criu\` and loads`,
    '`lib/libcriu.so.2`. Both load the libraries beside them.',
    '',
    '## Source',
    '',
    `\`source/${archive}\` is the source of CRIU and libcriu. The libraries are those of packages of Debian:`,
    '',
    '| Package | Source |',
    '| --- | --- |',
    ...rows,
    '',
    'The licences are in `licenses/`.',
  ];
  return text.join('\n');
}
