import type { Call, OptionRow } from './schema.js';
import { optionTable } from './table.js';

const rows: { [call in Call]?: readonly OptionRow[] } = {};

/** The rows that a call takes. */
export function optionsOf(call: Call): readonly OptionRow[] {
  rows[call] ??= optionTable.filter(({ calls }) => calls.includes(call));
  return rows[call];
}

const named: { [call in Call]?: ReadonlyMap<string, OptionRow> } = {};

/** The row of a name that a call takes; undefined for any other name. */
export function optionOf(call: Call, name: string): OptionRow | undefined {
  named[call] ??= new Map(optionsOf(call).map((row) => [row.name, row]));
  return named[call].get(name);
}

/** What a call fills in for an option that is not given. */
export function defaultOf(row: OptionRow, call: Call): string | number | undefined {
  return (row.defaultFor ?? row.calls).includes(call) ? row.default : undefined;
}

const defaults: { [call in Call]?: Readonly<Record<string, string | number>> } = {};

/** All that a call fills in, by name. */
export function defaultsOf(call: Call): Readonly<Record<string, string | number>> {
  defaults[call] ??= Object.fromEntries(
    optionsOf(call).flatMap((row) => {
      const value = defaultOf(row, call);
      return value === undefined ? [] : [[row.name, value]];
    }),
  );
  return defaults[call];
}
