import type { Call, OptionRow } from './schema.js';
import { optionTable } from './table.js';

const rows: { [call in Call]?: readonly OptionRow[] } = {};

/** The rows that a call takes. */
export function optionsOf(call: Call): readonly OptionRow[] {
  rows[call] ??= optionTable.filter(({ calls }) => calls.includes(call));
  return rows[call];
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
