// @ts-check
// Renders lib/options/types.ts and the README's table of options.

/** @typedef {import('../../lib/options/schema.js').OptionRow} OptionRow */
/** @typedef {import('../../lib/options/schema.js').Call} Call */

const lineWidth = 100;
const marks = { begin: '<!-- options:begin -->', end: '<!-- options:end -->' };

/** @type {Readonly<Record<Call, string>>} */
const interfaces = {
  checkpoint: 'CheckpointOptions',
  dump: 'DumpOptions',
  preDump: 'PreDumpOptions',
  checkpointSelf: 'CheckpointSelfOptions',
  restore: 'RestoreOptions',
  restoreContainer: 'RestoreContainerOptions',
  startPageServer: 'PageServerOptions',
  startLazyPages: 'LazyPagesOptions',
};
/** @type {readonly Call[]} the calls that write images */
const saving = ['checkpoint', 'dump', 'preDump'];
/** @type {readonly Call[]} the calls that have most of their options in common */
const based = [...saving, 'checkpointSelf', 'restore', 'restoreContainer'];
const calls = /** @type {Call[]} */ (Object.keys(interfaces));

/**
 * The text of lib/options/types.ts.
 *
 * @param {readonly OptionRow[]} table
 * @returns {string}
 */
export function renderTypes(table) {
  /** @param {OptionRow} row */
  const isShared = (row) => based.every((call) => row.calls.includes(call));
  /** @param {OptionRow} row */
  const isOfSaving = (row) => !isShared(row) && saving.every((call) => row.calls.includes(call));
  const blocks = [
    '// Made by `npm run generate` from lib/options/table.ts.\n' +
      "import type { Criu } from '../criu/criu.js';\n" +
      "import type { Hooks, RestoreHooks } from '../criu/hooks.js';\n" +
      "import type { PageServer } from './address.js';\n" +
      "import type { CgroupRoot } from './cgroup-root.js';\n" +
      "import type { InheritedFd } from './inherited-fd.js';\n" +
      "import type { JoinedNamespace } from './joined-namespace.js';\n",
    renderInterface('Options of dumps and restores.', 'SharedOptions', table.filter(isShared)),
    renderInterface(
      'Options of every call that writes images.',
      'SavingOptions extends SharedOptions',
      table.filter(isOfSaving),
    ),
    ...calls.map((call) => {
      const saves = saving.includes(call);
      const isBased = based.includes(call);
      const rows = table.filter(
        (row) =>
          row.calls.includes(call) && !(isBased && isShared(row)) && !(saves && isOfSaving(row)),
      );
      const base = saves ? 'SavingOptions' : 'SharedOptions';
      const head = `${interfaces[call]}${isBased ? ` extends ${base}` : ''}`;
      return renderInterface(`Options of \`${call}\`.`, head, rows);
    }),
  ];
  return blocks.join('\n');
}

/**
 * @param {string} sentence
 * @param {string} head
 * @param {readonly OptionRow[]} rows
 */
function renderInterface(sentence, head, rows) {
  const members = rows.map(
    (row) => `${comment(row, '  ')}  ${row.name}?: ${typeOf(row)} | undefined;\n`,
  );
  return `/** ${sentence} */\nexport interface ${head} {\n${members.join('')}}\n`;
}

/**
 * @param {OptionRow} row
 * @param {string} indent
 */
function comment(row, indent) {
  const sentence = `${row.help.charAt(0).toUpperCase()}${row.help.slice(1)}.`;
  const range =
    row.min === undefined ? '' : ` From ${row.min} to ${row.max}${row.unit ? ` ${row.unit}` : ''}.`;
  const text = `${sentence}${row.details ? ` ${row.details}` : ''}${range}`;
  const lines = [
    ...wrap(text, lineWidth - indent.length - 3),
    '',
    `@defaultValue ${defaultText(row)}`,
    `@remarks ${row.source}`,
  ];
  const body = lines.map((line) => `${indent} *${line && ` ${line}`}\n`).join('');
  return `${indent}/**\n${body}${indent} */\n`;
}

/** @param {OptionRow} row */
function typeOf({ type, values = [] }) {
  const union = values.map((value) => `'${value}'`).join(' | ');
  switch (type) {
    case 'boolean':
      return union ? `boolean | ${union}` : 'boolean';
    case 'integer':
      return 'number';
    case 'enum':
      return union;
    case 'enum[]':
      return values.length > 1 ? `readonly (${union})[]` : `readonly ${union}[]`;
    case 'string[]':
    case 'path[]':
      return 'readonly string[]';
    case 'address':
      return 'string | PageServer';
    case 'cgroupRoot[]':
      return 'readonly CgroupRoot[]';
    case 'joinedNamespace[]':
      return 'readonly JoinedNamespace[]';
    case 'inheritedFd[]':
      return 'readonly InheritedFd[]';
    case 'signal':
      return 'AbortSignal';
    case 'hooks':
      return 'Hooks';
    case 'restoreHooks':
      return 'RestoreHooks';
    case 'criu':
      return 'Criu';
    default:
      return 'string';
  }
}

/** @param {OptionRow} row */
function defaultText(row) {
  if (row.default !== undefined) {
    const value = JSON.stringify(row.default).replaceAll('"', "'");
    const others = calls.filter((call) => row.calls.includes(call) && !filledIn(row, call));
    return others.length > 0 ? `${value}; for ${others.join(' and ')} ${row.otherwise}` : value;
  }
  return row.otherwise ?? (row.type === 'boolean' ? 'false' : 'none');
}

/** @param {OptionRow} row @param {Call} call */
function filledIn(row, call) {
  return (row.defaultFor ?? row.calls).includes(call);
}

/**
 * The README's table.
 *
 * @param {readonly OptionRow[]} table
 * @returns {string}
 */
export function renderTable(table) {
  const lines = table.map((row) => {
    const cells = [
      `\`${row.name}\``,
      row.flag === undefined ? '' : `\`--${row.flag}\``,
      `\`${typeOf(row)}\``,
      defaultText(row),
      callsText(row),
      `${row.help}${row.unit ? ` (${row.unit})` : ''}`,
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [
    '| Option | Flag | Type | Default | Calls | Meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

/** @param {OptionRow} row */
function callsText(row) {
  if (row.calls.length === calls.length) return 'all';
  const others = row.calls.filter((call) => !saving.includes(call));
  const ofDumps = row.calls.filter((call) => saving.includes(call));
  return [...(ofDumps.length === saving.length ? ['dumps'] : ofDumps), ...others].join(', ');
}

/**
 * A text with the table between its two marks.
 *
 * @param {string} text
 * @param {readonly OptionRow[]} table
 * @returns {string}
 */
export function insertTable(text, table) {
  const begin = text.indexOf(marks.begin);
  const end = text.indexOf(marks.end);
  if (begin < 0 || end < begin) {
    throw new Error(`${marks.begin} and ${marks.end} are not in the text`);
  }
  const head = text.slice(0, begin + marks.begin.length);
  return `${head}\n${renderTable(table)}${text.slice(end)}`;
}

/** @param {string} text @param {number} width */
function wrap(text, width) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = `${last} ${word}`;
    }
  }
  return lines;
}
