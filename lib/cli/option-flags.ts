import type { Words } from '../base/sentence.js';
import { defaultOf, optionsOf } from '../options/calls.js';
import type { Call, OptionRow } from '../options/schema.js';
import { type Flag, quoted, UsageError } from './flags.js';
import { helpText } from './words.js';

/** The options of a call that a command line can give. */
export function rowsOf(call: Call): readonly OptionRow[] {
  return optionsOf(call).filter(({ flag }) => flag !== undefined);
}

/** The flag that an option of a call is. */
export function flagOf(row: OptionRow, call: Call, words: Words): Flag {
  const placeholder = placeholderOf(row);
  const fallback = defaultOf(row, call) ?? row.otherwise;
  const note = fallback === undefined ? '' : ` (default: ${fallback})`;
  const isRepeated = row.type.endsWith('[]');
  return {
    name: row.flag ?? row.name,
    ...(placeholder === undefined ? {} : { placeholder }),
    ...(row.required ? { isRequired: true } : {}),
    repeated: isRepeated,
    help: helpText(`${row.help}${note}${isRepeated ? '; can be repeated' : ''}`, words),
  };
}

function placeholderOf({ type, placeholder, values = [] }: OptionRow): string | undefined {
  if (type === 'boolean') return undefined;
  if (placeholder !== undefined) return placeholder;
  if (type === 'enum' || type === 'enum[]') return values.join('|');
  if (type === 'address') return 'ADDRESS:PORT';
  if (type === 'ip') return 'ADDRESS';
  if (type === 'host') return 'HOST';
  return type === 'fileName' ? 'NAME' : 'PATH';
}

/** The options that flags are; their values are the API's to judge. */
export function toOptions(
  rows: readonly OptionRow[],
  values: ReadonlyMap<string, boolean | string[]>,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const row of rows) {
    const given = values.get(row.flag ?? row.name);
    const value = Array.isArray(given) ? fromText(row, given) : given;
    if (value !== undefined) options[row.name] = value;
  }
  return options;
}

/** The options that say where it is saved to. */
const saving: readonly string[] = ['imagePath', 'export'];

/** Text to the option's JavaScript type; what the text says is the API's to judge. */
function fromText(row: OptionRow, texts: readonly string[]): unknown {
  const last = texts.at(-1) ?? '';
  switch (row.type) {
    case 'integer':
      return integer(row, last);
    case 'string[]':
    case 'path[]':
    case 'enum[]':
      return texts;
    case 'cgroupRoot[]':
      return texts.map(cgroupRoot);
    case 'joinedNamespace[]':
      return texts.map(joinedNamespace);
    default:
      // As for runc, an empty value is none: scripts pass variables that may be unset. But images
      // must not end up somewhere else because of that, nor an archive nowhere.
      return last === '' && !saving.includes(row.name) ? undefined : last;
  }
}

const multiples: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function integer({ flag, unit }: OptionRow, text: string): number {
  const [, digits, suffix = ''] = /^([+-]?\d+)([KMG]?)$/.exec(text) ?? [];
  if (digits === undefined || (suffix !== '' && unit !== 'bytes')) {
    const expected = unit === 'bytes' ? 'an integer, or one with K, M or G' : 'an integer';
    throw new UsageError(`Expected ${expected} for --${flag} but received ${quoted(text)}`);
  }
  return Number(digits) * (multiples[suffix] ?? 1);
}

function cgroupRoot(text: string): { controller?: string; path: string } {
  const [, controller, path = text] = /^(?:([^/]*):)?(\/.*)$/s.exec(text) ?? [];
  return controller === undefined ? { path } : { controller, path };
}

function joinedNamespace(text: string): { type: string; path: string } {
  const [, type = '', path = ''] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  return { type, path };
}
