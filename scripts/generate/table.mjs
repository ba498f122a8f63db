// @ts-check
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, tool } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';

/** @typedef {typeof import('../../lib/options/table.js')} Tables */

/**
 * The tables of options as they stand in the sources. Those in dist/ may be old, and the package
 * may not build before its types are generated.
 *
 * @returns {Promise<Tables>}
 */
export async function compileTables() {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-options-'));
  try {
    const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
    await run(tool('tsc'), [...options, '--outDir', directory, 'lib/options/table.ts'], {
      cwd: root,
    });
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    return await import(pathToFileURL(join(directory, 'table.js')).href);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
