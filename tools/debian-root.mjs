// @ts-check
import { readFileSync } from 'node:fs';
import { capture, run, StepError } from './process.mjs';

/**
 * Installs a release of Debian into a directory.
 *
 * @param {string} release such as `trixie`
 * @param {string} tree
 * @param {readonly string[]} packages beside the essential ones; those for another processor as `libnet1:arm64`
 * @param {string} logFile
 */
export async function installDebian(release, tree, packages, logFile) {
  const foreign = new Set(packages.flatMap((name) => name.split(':')[1] ?? []));
  const { stdout: own } = await capture('dpkg', ['--print-architecture']);
  const options = [
    '--mode=root',
    `--architectures=${[own.trim(), ...foreign].join(',')}`,
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    '--dpkgopt=force-unsafe-io',
    ...['doc', 'man', 'locale'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    // The licences, which go with what is taken from a root.
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    // A mirror that is not renewed every day still has what is signed.
    '--aptopt=Acquire::Check-Valid-Until "false"',
  ];
  await run('mmdebstrap', [...options, release, tree, await debianArchive()], { logFile });
}

/** The base address from which this machine installs Debian, all releases of it. */
export async function debianArchive() {
  const filters = ['Created-By: Packages', 'Origin: Debian', 'Component: main'];
  const args = ['indextargets', '--format', '$(REPO_URI) $(CODENAME)', ...filters];
  const { stdout } = await capture('apt-get', args);
  // Those of updates and security have another.
  const line = stdout.split('\n').find((one) => / [a-z]+$/.test(one));
  if (line === undefined) throw new StepError('apt is not configured for Debian');
  return line.slice(0, line.indexOf(' '));
}

/** The release of Debian that this machine has. */
export function ownRelease() {
  const name = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (name === undefined) throw new StepError('/etc/os-release does not name a release');
  return name;
}
