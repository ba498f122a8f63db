import { readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { cleanRootOf, findRoot } from '../../../tools/packing/build-root.mjs';
import {
  inRoot,
  nodePrefix,
  npmPackage,
  rootEnvironment,
} from '../../../tools/packing/in-root.mjs';
import { findPackages } from '../../../tools/packing/packages.mjs';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'busybox'));

/** What came of a command. */
interface Step {
  command: string;
  status: number | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** What npm would get from a registry beside our packages. */
async function packDependencies(directory: string): Promise<void> {
  const { packages } = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>;
  };
  const names = Object.entries(packages).flatMap(([path, { dev, devOptional, optional }]) =>
    path === '' || dev || devOptional || optional ? [] : join(projectRoot, path),
  );
  await runOk('npm', ['pack', '--silent', '--ignore-scripts', ...names], { cwd: directory });
}

/** A container that counts into a file. */
async function makeBundle(directory: string): Promise<void> {
  const bin = join(directory, 'rootfs/bin');
  await mkdir(bin, { recursive: true });
  const busybox = (await runOk('sh', ['-c', 'command -v busybox'])).trim();
  await cp(busybox, join(bin, 'busybox'), { dereference: true });
  await writeFile(
    join(bin, 'count'),
    '#!/bin/busybox sh\nn=0; while :; do n=$((n + 1)); echo $n >/count; busybox usleep 20000; done\n',
    { mode: 0o755 },
  );
}

const inJavascript = (program: string): string =>
  `cd project && node --input-type=module -e "${program}"`;

const commands = (packages: readonly string[]): readonly string[] => [
  // What must not be there, for the rest to show anything.
  '! command -v gcc cc g++ make python3 criu && ! ls /usr/include/*.h /usr/sbin/criu 2>/dev/null',
  'mkdir project && cd project && npm init --yes >/dev/null',
  `cd project && npm install --offline --no-audit --no-fund ${packages.map((name) => `/packages/${name}`).join(' ')}`,
  inJavascript("import { version } from 'libcriu'; console.log(await version())"),
  `cd project && node -e "require('libcriu').version().then(({ major }) => console.log(major))"`,
  'cd project && npx libcriu --version',
  'cd project && npx libcriu doctor',
  'cp -r /bundle web && cd web && runc spec && ' +
    `node -e "
      const { readFileSync, writeFileSync } = require('node:fs');
      const config = JSON.parse(readFileSync('config.json'));
      Object.assign(config.process, { terminal: false, args: ['/bin/busybox', 'sh', '/bin/count'] });
      config.root.readonly = false;
      writeFileSync('config.json', JSON.stringify(config));"`,
  'cd web && runc run --detach web </dev/null >/dev/null 2>&1',
  'sleep 0.5; cat web/rootfs/count',
  'cd project && npx libcriu checkpoint --image-path /root/images web',
  'cat web/rootfs/count; runc list --quiet',
  inJavascript(
    "import { restoreContainer } from 'libcriu'; " +
      "const { containerId, pid } = await restoreContainer('web', " +
      "{ imagePath: '/root/images', bundle: '/root/web' }); console.log(containerId, pid > 0)",
  ),
  'sleep 0.5; cat web/rootfs/count',
  'runc delete --force web',
];

/** Counts that were printed alone on a line. */
const countsIn = (steps: readonly Step[]): number[] =>
  steps.flatMap(({ stdout }) => (/^\d+\n/.test(stdout) ? Number.parseInt(stdout, 10) : []));

test('an empty project is installed, and restores a container, where there is no compiler, header or criu', async () => {
  const packed = findPackages();
  if (packed === undefined) throw new Error('there are no packages: run "npm run pack -- --here"');
  const tree = findRoot(cleanRootOf(packed.origin));
  if (tree === undefined)
    throw new Error('there is no root to install them in: run "npm run setup"');
  const directory = await scope.directory();
  const [packages, bundle] = [join(directory, 'packages'), join(directory, 'bundle')];
  await mkdir(packages);
  await packDependencies(packages);
  for (const file of packed.files) await cp(file, join(packages, basename(file)));
  await makeBundle(bundle);
  const names = (await runOk('ls', [packages])).trim().split('\n');
  await writeFile(join(directory, 'commands.json'), JSON.stringify(commands(names)));

  const npm = `${nodePrefix}/lib/node_modules/npm`;
  const links = ['npm', 'npx'].map(
    (name) => `ln -sf ${npm}/bin/${name}-cli.js /usr/local/bin/${name}`,
  );
  const script = `${links.join('; ')}; exec node /steps/run-steps.mjs /commands.json`;
  const [file, ...args] = inRoot(
    tree,
    [
      npmPackage(),
      { from: packages, to: '/packages' },
      { from: bundle, to: '/bundle' },
      { from: import.meta.dirname, to: '/steps' },
      { from: join(directory, 'commands.json'), to: '/commands.json' },
    ],
    ['sh', '-c', script],
  );
  const output = await runOk(file, args, { env: rootEnvironment, timeoutMs: 120_000 });
  const steps = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Step);

  const transcript = steps.map(
    ({ command, stdout, stderr, ms }) => `# ${command}\n${stdout}${stderr}(${ms} ms)\n`,
  );
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const text = `${transcript.join('\n')}\nall commands: ${total} ms\n`;
  await writeFile(join(projectRoot, 'npm/transcript.txt'), text);
  expect(
    steps.filter(({ status }) => status !== 0),
    text,
  ).toEqual([]);
  expect(steps).toHaveLength(commands(names).length);
  console.log(text);

  const doctor = steps.find(({ command }) => command.endsWith('libcriu doctor'));
  expect(doctor?.stdout).toMatch(/^ok +criu 4\.\d.* can be used$/m);

  const [before = 0, saved = 0, after = 0] = countsIn(steps);
  expect(before).toBeGreaterThan(0);
  expect(saved).toBeGreaterThanOrEqual(before);
  // It went on from where it was, and did not begin again.
  expect(after).toBeGreaterThan(saved);
});
