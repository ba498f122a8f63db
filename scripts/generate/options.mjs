// @ts-check
// Renders lib/options/types.ts and the table of docs/options.md.

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
const calls = /** @type {Call[]} */ (Object.keys(interfaces));
/** @type {readonly Call[]} the calls that write images */
const saving = ['checkpoint', 'dump', 'preDump'];

/**
 * An interface of the options that exactly these calls take. Each option is declared in one such
 * interface, and what a call takes extends all that are its: editors show the description of a
 * member that is inherited, and none of one that `Pick` has copied.
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {readonly Call[]} calls
 * @property {readonly OptionRow[]} rows
 */

/** @type {Readonly<Record<string, string>>} names of groups of several options, by their calls */
const groupNames = {
  [calls.join(' ')]: 'CallOptions',
  'checkpoint dump preDump checkpointSelf restore restoreContainer': 'SharedOptions',
  'checkpoint dump preDump checkpointSelf restore': 'RequestOptions',
  'checkpoint dump preDump restore': 'TreeOptions',
  'checkpoint dump preDump checkpointSelf': 'SavingOptions',
  'checkpoint dump preDump startPageServer startLazyPages': 'TransferOptions',
  'checkpoint dump preDump startPageServer': 'WritingOptions',
  'checkpoint dump preDump': 'DumpingOptions',
  'checkpoint dump': 'FullDumpOptions',
  'restore restoreContainer': 'RestoringOptions',
};

/**
 * @param {readonly OptionRow[]} table
 * @returns {Group[]} the widest first, those of one call last
 */
function groupsOf(table) {
  const keys = new Set([...table.map(keyOf), ...calls]);
  return [...keys]
    .map((key) => {
      const rows = table.filter((row) => keyOf(row) === key);
      const of = /** @type {Call[]} */ (key.split(' '));
      return { name: nameOf(key, of, rows), calls: of, rows };
    })
    .sort((a, b) => b.calls.length - a.calls.length || orderOf(a) - orderOf(b));
}

/** @param {OptionRow} row */
function keyOf(row) {
  return calls.filter((call) => row.calls.includes(call)).join(' ');
}

/** @param {Group} group */
function orderOf({ calls: [first] }) {
  return calls.indexOf(/** @type {Call} */ (first));
}

/**
 * @param {string} key
 * @param {readonly Call[]} of
 * @param {readonly OptionRow[]} rows
 */
function nameOf(key, of, rows) {
  const [call] = of;
  const [row] = rows;
  if (of.length === 1 && call !== undefined) return interfaces[call];
  const { [key]: given } = groupNames;
  if (given !== undefined) return given;
  if (row !== undefined && rows.length === 1) {
    return `${row.name.charAt(0).toUpperCase()}${row.name.slice(1)}Options`;
  }
  throw new Error(`Name the options ${rows.map(({ name }) => name).join(', ')} in groupNames`);
}

/**
 * The groups that a group extends: all that have its calls and more, but for those that come with
 * another of them.
 *
 * @param {Group} group
 * @param {readonly Group[]} groups
 */
function basesOf(group, groups) {
  /** @param {Group} wide @param {Group} narrow */
  const isWider = (wide, narrow) =>
    wide !== narrow && narrow.calls.every((call) => wide.calls.includes(call));
  const wider = groups.filter((one) => isWider(one, group));
  return wider.filter((one) => !wider.some((other) => isWider(one, other)));
}

/**
 * The text of lib/options/types.ts, before it is formatted.
 *
 * @param {readonly OptionRow[]} table
 * @returns {string}
 */
export function renderTypes(table) {
  const groups = groupsOf(table);
  const blocks = [
    '// Made by `npm run generate` from lib/options/table.ts.\n' +
      "import type { Writable } from 'node:stream';\n" +
      "import type { Criu } from '../criu/criu.js';\n" +
      "import type { Hooks, RestoreHooks } from '../criu/hooks.js';\n" +
      "import type { PageServer } from './address.js';\n" +
      "import type { CgroupRoot } from './cgroup-root.js';\n" +
      "import type { DumpProgress } from './dump-progress.js';\n" +
      "import type { InheritedFd } from './inherited-fd.js';\n" +
      "import type { JoinedNamespace } from './joined-namespace.js';\n" +
      "import type { LimitedCgroup } from './limited-cgroup.js';\n" +
      "import type { CloneStdio } from './stdio.js';\n",
    ...groups.map((group) => {
      const bases = basesOf(group, groups).map(({ name }) => name);
      return renderInterface(sentenceOf(group), group.name, bases, group.rows);
    }),
  ];
  return blocks.join('\n');
}

/** @param {Group} group */
function sentenceOf({ calls: of }) {
  if (of.length === calls.length) return 'Options of every call.';
  const names = of.map((call) => `\`${call}\``);
  const last = names.pop();
  return `Options of ${names.length === 0 ? '' : `${names.join(', ')} and `}${last}.`;
}

/**
 * The text of lib/options/validated.ts, before it is formatted.
 *
 * @param {readonly OptionRow[]} table
 * @returns {string}
 */
export function renderValidated(table) {
  const members = calls.map((call) => {
    const names = table
      .filter((row) => row.calls.includes(call) && row.default !== undefined && filledIn(row, call))
      .map(({ name }) => `'${name}'`);
    const { [call]: name } = interfaces;
    return `  ${call}: ${names.length === 0 ? name : `Filled<${name}, ${names.join(' | ')}>`};\n`;
  });
  return (
    '// Made by `npm run generate` from lib/options/table.ts.\n' +
    `import type { ${Object.values(interfaces).sort().join(', ')} } from './types.js';\n\n` +
    '/** Options of which some are there in any case. */\n' +
    'type Filled<Options, Names extends keyof Options> = Options & {\n' +
    '  [Name in Names]-?: NonNullable<Options[Name]>;\n' +
    '};\n\n' +
    '/** The options of each call once they are validated, with what is filled in. */\n' +
    `export interface ValidatedOptions {\n${members.join('')}}\n`
  );
}

/**
 * @param {string} sentence
 * @param {string} name
 * @param {readonly string[]} bases
 * @param {readonly OptionRow[]} rows
 */
function renderInterface(sentence, name, bases, rows) {
  const members = rows.map((row) => `${comment(row, '  ')}  ${member(row)};\n`);
  const body = members.length === 0 ? '{}' : `{\n${members.join('')}}`;
  const clause = bases.length === 0 ? '' : ` extends ${bases.join(', ')}`;
  return `/** ${sentence} */\nexport interface ${name}${clause} ${body}\n`;
}

/** @param {OptionRow} row */
function member(row) {
  return row.required ? `${row.name}: ${typeOf(row)}` : `${row.name}?: ${typeOf(row)} | undefined`;
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
    ...(row.required ? [] : [`@defaultValue ${defaultText(row)}`]),
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
      return 'boolean';
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
    case 'data':
      return 'unknown';
    case 'environment':
      return 'Readonly<Record<string, string | undefined>>';
    case 'argument[]':
      return 'readonly string[]';
    case 'limitedCgroup':
      return 'string | LimitedCgroup';
    case 'stdio':
      return 'CloneStdio';
    case 'file':
      return 'string | Writable';
    case 'signal':
      return 'AbortSignal';
    case 'hooks':
      return 'Hooks';
    case 'restoreHooks':
      return 'RestoreHooks';
    case 'progressHandler':
      return '((progress: DumpProgress) => unknown)';
    case 'criu':
      return 'Criu';
    default:
      return 'string';
  }
}

/** @param {OptionRow} row */
function defaultText(row) {
  if (row.required) return 'required';
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
 * The table of docs/options.md.
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
