// @ts-check
// Renders man/, of the tables of commands and options (lib/cli/man.ts).
import { basename } from 'node:path';
import { importSources } from './import-sources.mjs';

/** @typedef {import('../../lib/cli/man.js').ManPage} ManPage */

/** @type {Promise<readonly ManPage[]> | undefined} */
let pages;

/** @returns {Promise<readonly ManPage[]>} */
export function manPages() {
  pages ??= compile();
  return pages;
}

async function compile() {
  const files = ['cli/man', 'cli/commands', 'cli/global-flags'];
  const [man, { commands }, { globalFlags }] = await importSources(files);
  return man.manPages(commands, globalFlags);
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
