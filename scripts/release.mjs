// @ts-check
// Makes a release as it would be published, checks it, and tells what would be published. Only a workflow
// publishes (.github/workflows/release.yml), so that each package says where and of what it was built.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packagesDirectory } from '../tools/packing/manifests.mjs';
import { findPackages, makeableHere } from '../tools/packing/packages.mjs';
import { root } from '../tools/paths.mjs';
import { capture, run, StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { checkPackage, contentOf } from './release/check.mjs';
import { doubtful } from './release/licences.mjs';

const usage = `Usage: npm run release -- [--dry-run | --publish]

Packs this version for all systems (npm run pack -- --all), checks the packages, and prints what would be published.
A system for which there is no compiler here is left out, and the main package does not name it.

  --dry-run   publishes nothing; this is the default
  --publish   publishes, in the workflow of a release alone
`;

async function main() {
  const { values } = parseArgs({
    options: {
      'dry-run': { type: 'boolean', default: false },
      publish: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  if (values.publish && values['dry-run']) {
    throw new StepError('Expected --dry-run or --publish but received both');
  }
  if (values.publish) requireWorkflow();
  await setUp();
  await requireReleasable(values.publish);
  const { systems, names, leftOut } = makeableHere();
  for (const { system, reason } of leftOut) {
    process.stdout.write(`release: leaves out ${system}: ${reason}\n`);
  }
  await run(process.execPath, [join(root, 'scripts/pack.mjs'), '--all'], { cwd: root });
  const files = packed(systems, names);
  for (const file of files) {
    const checked = await checkPackage(file, names);
    process.stdout.write(`release: ${basename(file)} is good: ${checked.join('; ')}\n`);
  }
  const sbom = await makeSbom();
  for (const file of files) tell(file, await contentOf(file));
  process.stdout.write(
    `release: ${sbom.slice(root.length + 1)} lists what is installed with them\n`,
  );
  // Those that others need come first.
  for (const file of [...files].reverse()) await publish(file, values.publish);
}

function requireWorkflow() {
  if (process.env['GITHUB_ACTIONS'] === 'true') return;
  throw new StepError(
    '--publish is for the workflow of a release, which vouches for what it has built',
  );
}

/** What is released is a commit, and the changelog tells of it. @param {boolean} isRelease */
async function requireReleasable(isRelease) {
  const { stdout } = await capture('git', ['status', '--porcelain'], { cwd: root });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const faults = [
    ...(stdout === '' ? [] : [`there is what is not committed: ${stdout.trim().split('\n')[0]}`]),
    ...(changelog.includes(`## [${version}]`) ? [] : [`CHANGELOG.md has no section [${version}]`]),
  ];
  if (faults.length === 0) return;
  if (isRelease) throw new StepError(faults.join('; '));
  for (const fault of faults) process.stdout.write(`release: would be refused, because ${fault}\n`);
}

/** @type {(systems: readonly string[], names: readonly string[]) => string[]} */
function packed(systems, names) {
  const found = findPackages(systems, names);
  if (found === undefined) throw new StepError('npm run pack has not made all packages');
  if (found.origin !== 'debian') throw new StepError('the packages were not built in Debian 11');
  return found.files;
}

/** Lists what is installed with the package, and refuses a licence that is not known to be good. */
async function makeSbom() {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'];
  const { status, stdout, stderr } = await capture('npm', args, { cwd: root });
  if (status !== 0) throw new StepError(`npm sbom: ${stderr.trim()}`);
  const sbom = JSON.parse(stdout);
  // npm takes the name of the directory.
  sbom.metadata.component.name = 'libcriu';
  for (const { name, version, licenses = [] } of sbom.components) {
    const bad = doubtful(licenses);
    if (bad.length > 0) throw new StepError(`${name} ${version} has the licence ${bad.join(', ')}`);
  }
  const file = join(packagesDirectory, 'libcriu.cdx.json');
  writeFileSync(file, `${JSON.stringify(sbom, null, 2)}\n`);
  return file;
}

/** @param {string} file @param {readonly string[]} content */
function tell(file, content) {
  const megabytes = (statSync(file).size / 1e6).toFixed(2);
  process.stdout.write(`release: ${basename(file)}, ${megabytes} MB, ${content.length} files\n`);
}

/** @param {string} file @param {boolean} isReal */
async function publish(file, isReal) {
  const args = ['publish', file, '--access', 'public'];
  if (isReal) {
    await run('npm', [...args, '--provenance'], { cwd: root });
    return;
  }
  // In a directory without package.json, npm looks at the file alone.
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-release-'));
  try {
    const dry = ['--dry-run', '--loglevel', 'error', '--json'];
    const { status, stdout, stderr } = await capture('npm', [...args, ...dry], { cwd: directory });
    if (status !== 0) throw new StepError(`npm publish ${basename(file)}: ${stderr.trim()}`);
    const told = JSON.parse(stdout);
    const { id } = told.id === undefined ? (Object.values(told)[0] ?? {}) : told;
    process.stdout.write(`release: would publish ${id ?? basename(file)}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (!existsSync(join(root, '.git'))) {
  process.stderr.write('release: this is no clone of the repository\n');
  process.exitCode = 1;
} else {
  main().catch((error) => {
    const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`release: ${shown ? error.message : error.stack}\n`);
    process.exitCode = 1;
  });
}
