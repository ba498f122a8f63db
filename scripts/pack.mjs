// @ts-check
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAddon, buildTypescript } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { makePackages } from '../tools/packing/packages.mjs';
import { root } from '../tools/paths.mjs';
import { StepError, seconds, tail } from '../tools/process.mjs';

const usage = `Usage: npm run pack -- [options]

Makes the packages in npm/, and a file of each to install: libcriu, @libcriu/linux-${process.arch}-gnu
and @libcriu/criu-linux-${process.arch}. What is native is built in Debian 11, which is installed in .pack/.

  --here       takes what was built on this machine, for this machine alone
  --for SYSTEM linux-arm64-gnu or linux-x64-musl, on x64: libcriu and the package with the addon for that
               system, built by a compiler for it and loaded as far as can be done here
`;

async function main() {
  const { values } = parseArgs({
    options: {
      here: { type: 'boolean', default: false },
      for: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  if (values.here && values.for !== undefined) {
    throw new StepError(`What was built here is not for ${values.for}`);
  }
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-pack-'));
  const logFile = join(directory, 'log');
  try {
    await withLock(async () => {
      await buildTypescript({ logFile });
      const workplace = { workDirectory: directory, logFile, step };
      if (values.here) await step('build the addon', () => buildAddon({ logFile }));
      const files = await makePackages(values.here ? 'here' : 'debian', workplace, values.for);
      for (const file of files) {
        process.stdout.write(`${file.slice(root.length + 1)} ${statSync(file).size}\n`);
      }
    });
  } catch (error) {
    for (const line of tail(logFile, 30)) process.stderr.write(`  | ${line}\n`);
    throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @type {import('../tools/packing/packages.mjs').Step} */
async function step(title, work) {
  process.stderr.write(`pack: ${title} ...`);
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    process.stderr.write(` ${seconds(startedAt)}\n`);
  }
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`pack: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
