// @ts-check
/** @typedef {import('../../lib/options/schema.js').OptionRow} OptionRow */
/** @typedef {import('../../lib/options/schema.js').CoreField} CoreField */

const pairs = 'readonly (readonly [string, string])[]';

/** @type {Readonly<Record<import('../../lib/options/schema.js').FieldType, string>>} */
const coreTypes = { boolean: 'boolean', integer: 'number', string: 'string', pairs };

/**
 * The text of lib/native/criu-fields.ts, before it is formatted.
 *
 * @param {readonly OptionRow[]} optionTable
 * @param {readonly CoreField[]} coreFields
 */
export function renderFields(optionTable, coreFields) {
  /** @type {Map<string, string>} */
  const members = new Map();
  for (const { field, type, meaning } of coreFields) {
    members.set(field, `  /** ${meaning} */\n  ${field}?: ${coreTypes[type]};\n`);
  }
  for (const row of optionTable) {
    const { field, name } = row;
    if (field === undefined) continue;
    const member = `  /** The option \`${name}\`. */\n  ${field}?: ${typeOf(row)};\n`;
    // Two options that are one field, as `lazyPages` of a dump and of a restore, agree about it.
    if (members.has(field) && members.get(field) !== member) {
      throw new Error(`The rows that are the field ${field} disagree about it`);
    }
    members.set(field, member);
  }
  return (
    '// Made by `npm run generate` from lib/options/table.ts.\n\n' +
    "/**\n * Fields of CRIU's request by CRIU's own names (`criu_opts` of its rpc.proto): what the native\n" +
    ' * layer takes. Pairs are a repeated key/value message; with a number, of descriptors of this\n' +
    ' * process.\n */\n' +
    `export interface CriuFields {\n${[...members.values()].join('')}}\n`
  );
}

/**
 * What lib/options/fields.ts makes of an option's value.
 *
 * @param {OptionRow} row
 */
function typeOf({ type }) {
  switch (type) {
    case 'boolean':
      return 'boolean';
    case 'integer':
    case 'enum':
    case 'enum[]':
      return 'number';
    case 'string[]':
    case 'path[]':
      return 'readonly string[]';
    case 'address':
    case 'cgroupRoot[]':
    case 'joinedNamespace[]':
      return pairs;
    case 'inheritedFd[]':
      return 'readonly (readonly [string, number])[]';
    case 'path':
    case 'relativePath':
    case 'fileName':
    case 'string':
      return 'string';
    default:
      throw new Error(`No field of CRIU is of the type ${type}`);
  }
}
