// @ts-check
// Fuzzes the readers of bytes that others have written, for longer than `npm test` does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

const usage = `Usage: npm run test:fuzz -- [options] [NAME...]

Fuzzes the readers of native/ and lib/ (all of them, or those with the given names), two at a time.

  --seconds N   how long each of them is fuzzed (60); 0 runs the corpus of the native ones and no more

What made a reader of native/ fail is in build-cmake-fuzz/findings; for one of lib/ the seed is told.
Once it is mended, the input goes to test/fuzz/corpus.
`;

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  if (!/^\d{1,6}$/.test(values.seconds)) {
    throw new StepError(
      `Expected a number of seconds for --seconds but received ${values.seconds}`,
    );
  }
  // Each reader has a corpus of its name.
  const known = readdirSync(join(root, 'test/fuzz/corpus'));
  for (const name of positionals.filter((name) => !known.includes(name))) {
    throw new StepError(`There is no reader ${name}; there are ${known.join(', ')}`);
  }
  await setUp();
  const names = positionals.length > 0 ? ['-t', ` (${positionals.join('|')})$`] : [];
  const args = ['run', '--project', 'fuzz', ...names];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    env: { ...process.env, LIBCRIU_FUZZ_SECONDS: values.seconds },
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {});
  const [status] = await once(child, 'close');
  process.exitCode = status ?? 1;
}

main().catch((error) => {
  const shown = error instanceof StepError || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`fuzz: ${shown ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
