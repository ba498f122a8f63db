// @ts-check
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildAddon, buildTypescript } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { makeableHere, makePackages } from '../tools/packing/packages.mjs';
import { root } from '../tools/paths.mjs';
import { StepError, seconds } from '../tools/process.mjs';
import { inWorkDirectory } from '../tools/work-directory.mjs';

const usage = `Usage: npm run pack -- [options]

Makes the packages in npm/, and a file of each to install: libcriu, @libcriu/linux-${process.arch}-gnu
and @libcriu/criu-linux-${process.arch}. What is native is built in Debian 11, which is installed in .pack/.

  --here       takes what was built on this machine, for this machine alone
  --for SYSTEM linux-arm64-gnu, linux-arm64-musl or linux-x64-musl, on x64: libcriu and the packages for that
               system, built by a compiler for it and loaded as far as can be done here; may be repeated
  --all        those for all systems for which there is a compiler here; it tells which are left out
`;

async function main() {
  const { values } = parseArgs({
    options: {
      here: { type: 'boolean', default: false },
      for: { type: 'string', multiple: true, default: [] },
      all: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  if (values.here && (values.all || values.for.length > 0)) {
    throw new StepError('What was built here is for this system alone: --here goes with no other');
  }
  const { systems, names } = values.all ? allSystems() : { systems: values.for, names: undefined };
  await inWorkDirectory('pack', (workDirectory, logFile) =>
    withLock(async () => {
      await buildTypescript({ logFile });
      const workplace = { workDirectory, logFile, step };
      if (values.here) await step('build the addon', () => buildAddon({ logFile }));
      const origin = values.here ? 'here' : 'debian';
      const wanted = systems.length > 0 ? systems : undefined;
      const files = await makePackages(origin, workplace, wanted, names);
      for (const file of files) {
        process.stdout.write(`${file.slice(root.length + 1)} ${statSync(file).size}\n`);
      }
    }),
  );
}

/** Tells which are left out. */
function allSystems() {
  const { leftOut, ...made } = makeableHere();
  for (const { system, reason } of leftOut) {
    process.stderr.write(`pack: leaves out ${system}: ${reason}\n`);
  }
  return made;
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
