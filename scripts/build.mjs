// @ts-check
import { parseArgs } from 'node:util';
import { buildAddon, buildTypescript, buildWithCmake } from '../tools/build.mjs';
import { withLock } from '../tools/lock.mjs';
import { StepError } from '../tools/process.mjs';

const usage = `Usage: npm run build -- [options]

Builds the native addon (build/, by node-gyp) and the TypeScript (dist/), each only when its sources
have changed.

  --debug             a Debug build of the addon
  --sanitize KIND     a Debug build of the addon with the address or undefined sanitizer
  --cmake             the addon in build-cmake/ by cmake-js (Debug, compile_commands.json) and no more;
                      with --sanitize in build-cmake-KIND/
  --native            the addon and no more
  --force             also what is up to date
`;

async function main() {
  const { values } = parseArgs({
    options: {
      debug: { type: 'boolean', default: false },
      sanitize: { type: 'string' },
      cmake: { type: 'boolean', default: false },
      native: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { sanitize, force } = values;
  if (sanitize !== undefined && sanitize !== 'address' && sanitize !== 'undefined') {
    throw new StepError(`Expected address or undefined for --sanitize but received ${sanitize}`);
  }
  const only = sanitize === undefined ? {} : { sanitize };
  await withLock(async () => {
    if (values.cmake) {
      await buildWithCmake(sanitize === undefined ? {} : { kind: sanitize });
      return;
    }
    await buildAddon({ ...only, debug: values.debug || sanitize !== undefined, force });
    if (!values.native) {
      await buildTypescript({ force });
    }
  });
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`build: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
