// @ts-check
import { importSources } from './import-sources.mjs';

/** @typedef {typeof import('../../lib/options/table.js')} Tables */

/** The tables of options. @returns {Promise<Tables>} */
export async function compileTables() {
  const [tables] = await importSources(['options/table']);
  return tables;
}
