// @ts-check
// Makes all generated files of the repository anew; prints the ones that have changed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../tools/paths.mjs';
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';
import { generatedFiles } from './generate/files.mjs';
import { compileTables } from './generate/table.mjs';

async function main() {
  await setUp('definitions');
  const tables = await compileTables();
  for (const { path, make } of generatedFiles) {
    const file = join(root, path);
    const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const after = await make(tables, before);
    if (after !== before) {
      writeFileSync(file, after);
      process.stdout.write(`${path} is made anew\n`);
    }
  }
}

main().catch((error) => {
  process.stderr.write(`generate: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
