// @ts-check
// Renders man/, of the tables of commands and options (lib/cli/man.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleModules } from '../../tools/bundle.mjs';
import { root } from '../../tools/paths.mjs';

/** @typedef {import('../../lib/cli/man.js').ManPage} ManPage */

/** @type {Promise<readonly ManPage[]> | undefined} */
let pages;

/** @returns {Promise<readonly ManPage[]>} */
export function manPages() {
  pages ??= compile();
  return pages;
}

/** Node.js 20 does not run TypeScript. */
async function compile() {
  // What is imported from here finds the dependencies.
  const directory = mkdtempSync(join(root, 'node_modules/.libcriu-man-'));
  try {
    const names = ['man', 'commands', 'global-flags'];
    await bundleModules(
      Object.fromEntries(names.map((name) => [name, `lib/cli/${name}.ts`])),
      directory,
    );
    const [man, { commands }, { globalFlags }] = await Promise.all(
      names.map((name) => import(pathToFileURL(join(directory, `${name}.js`)).href)),
    );
    return man.manPages(commands, globalFlags);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * The text of a page. Its date is the day of its last change, so that it does not change by itself.
 *
 * @param {string} path of its file
 * @param {string} current the text that it has now
 */
export async function renderPage(path, current) {
  const page = (await manPages()).find(({ file }) => file === basename(path));
  if (page === undefined) throw new Error(`No page is called ${path}: see "man" of package.json`);
  const { text } = page;
  const date = /^\.Dd (.*)$/m.exec(current)?.[1];
  if (date !== undefined && text(date) === current) return current;
  const now = new Date();
  const month = now.toLocaleDateString('en-US', { month: 'long', timeZone: 'UTC' });
  return text(`${month} ${now.getUTCDate()}, ${now.getUTCFullYear()}`);
}
