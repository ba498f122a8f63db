// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { readRuns } from '../support/cells.mjs';
import { insertSupport } from '../support/table.mjs';
import { renderFields } from './fields.mjs';
import { formatted } from './format.mjs';
import { renderDefinitions } from './images.mjs';
import { renderPage } from './man.mjs';
import { insertTable, renderTypes, renderValidated } from './options.mjs';

/** @typedef {typeof import('../../lib/options/table.js')} Tables */

/**
 * A file that `npm run generate` makes, whole or in part.
 *
 * @typedef {object} GeneratedFile
 * @property {string} path relative to the package
 * @property {(tables: Tables, current: string) => string | Promise<string>} make
 *   its text, of the tables of options and of the text that it has now
 */

/**
 * A source that is made of the tables alone.
 *
 * @param {string} path
 * @param {(tables: Tables) => string} render
 * @returns {GeneratedFile}
 */
const source = (path, render) => ({ path, make: (tables) => formatted(path, render(tables)) });

const definitions = 'lib/images/codec/definitions.ts';

/** The manual pages, which npm has to be told of one by one. @type {{man: readonly string[]}} */
const { man: pages } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** @type {readonly GeneratedFile[]} */
export const generatedFiles = [
  source('lib/options/types.ts', ({ optionTable }) => renderTypes(optionTable)),
  source('lib/options/validated.ts', ({ optionTable }) => renderValidated(optionTable)),
  source('lib/native/criu-fields.ts', ({ optionTable, coreFields }) =>
    renderFields(optionTable, coreFields),
  ),
  {
    path: definitions,
    make: async (_tables, current) => formatted(definitions, await renderDefinitions(current)),
  },
  {
    path: 'docs/options.md',
    make: ({ optionTable }, current) => insertTable(current, optionTable),
  },
  ...pages.map((path) => ({
    path,
    /** @type {GeneratedFile['make']} */
    make: (_tables, current) => renderPage(path, current),
  })),
  {
    path: 'docs/install.md',
    make: (_tables, current) => insertSupport(current, readRuns()),
  },
];
