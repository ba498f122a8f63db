import { readStateFile, unreadable } from '../state/json-value.js';

/** A table of TOML. */
export type Table = Readonly<Record<string, unknown>>;

/** The table of a name in another one; an empty one where there is none. */
export function tableIn(table: Table, name: string): Table {
  const value = table[name];
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

/** The path of a name in a table; undefined for what can be none. */
export function pathIn(table: Table, name: string): string | undefined {
  const { [name]: value } = table;
  return typeof value === 'string' && !value.includes('\0') ? value : undefined;
}

/** The configuration in a file of TOML; an empty one where there is no file. */
export async function tomlIn(file: string): Promise<Table> {
  const text = await readStateFile(file);
  if (text === undefined) return {};
  // Most machines have none of these files.
  const { parse } = await import('smol-toml');
  try {
    return parse(text);
  } catch (cause) {
    throw unreadable(file, 'TOML', cause);
  }
}
