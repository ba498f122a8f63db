// @ts-check
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, tool } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';

/** @typedef {import('../../lib/options/schema.js').OptionRow} OptionRow */

/**
 * The table of options as it stands in the sources. The one in dist/ may be old, and the package
 * may not build before its types are generated.
 */
export async function compileTable() {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-options-'));
  try {
    const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
    await run(tool('tsc'), [...options, '--outDir', directory, 'lib/options/table.ts'], {
      cwd: root,
    });
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    /** @type {{ optionTable: readonly OptionRow[] }} */
    const { optionTable } = await import(pathToFileURL(join(directory, 'table.js')).href);
    return optionTable;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
