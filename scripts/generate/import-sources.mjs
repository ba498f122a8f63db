// @ts-check
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleModules } from '../../tools/bundle.mjs';
import { root } from '../../tools/paths.mjs';

/**
 * Imports modules as they stand in lib/: Node.js 20 does not run TypeScript, those in dist/ may be old, and the
 * package may not build before its types are generated.
 *
 * @param {readonly string[]} files from lib/ on, without the ending
 * @returns {Promise<any[]>} the modules
 */
export async function importSources(files) {
  // What is imported from here finds the dependencies.
  const directory = mkdtempSync(join(root, 'node_modules/.libcriu-sources-'));
  try {
    await bundleModules(
      Object.fromEntries(files.map((file) => [file, `lib/${file}.ts`])),
      directory,
    );
    return await Promise.all(
      files.map((file) => import(pathToFileURL(join(directory, `${file}.js`)).href)),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}
