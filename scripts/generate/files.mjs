// @ts-check
import { renderFields } from './fields.mjs';
import { formatted } from './format.mjs';
import { renderDefinitions } from './images.mjs';
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
];
