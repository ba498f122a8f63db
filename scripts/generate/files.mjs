// @ts-check
import { formatted } from './format.mjs';
import { insertTable, renderTypes, renderValidated } from './options.mjs';
import { renderStatsCode } from './stats.mjs';

/** @typedef {import('../../lib/options/schema.js').OptionRow} OptionRow */

/**
 * A file that `npm run generate` makes, whole or in part.
 *
 * @typedef {object} GeneratedFile
 * @property {string} path relative to the package
 * @property {(table: readonly OptionRow[], current: string) => string | Promise<string>} make
 *   its text, of the table of options and of the text that it has now
 */

/** @type {readonly GeneratedFile[]} */
export const generatedFiles = [
  {
    path: 'lib/options/types.ts',
    make: (table) => formatted('lib/options/types.ts', renderTypes(table)),
  },
  {
    path: 'lib/options/validated.ts',
    make: (table) => formatted('lib/options/validated.ts', renderValidated(table)),
  },
  { path: 'README.md', make: (table, current) => insertTable(current, table) },
  { path: 'lib/images/proto/stats_pb.ts', make: renderStatsCode },
];
