import type { CriuFields } from '../native/contract.js';
import { parsePageServer } from './address.js';
import type { CgroupRoot } from './cgroup-root.js';
import type { InheritedFd } from './inherited-fd.js';
import type { JoinedNamespace } from './joined-namespace.js';
import type { OptionRow } from './schema.js';
import { optionTable } from './table.js';
import type {
  CheckpointOptions,
  CheckpointSelfOptions,
  DumpOptions,
  PreDumpOptions,
  RestoreOptions,
} from './types.js';

/** CRIU's numbers for the ways to lock the network. */
export const networkLocks: Readonly<Record<'iptables' | 'nftables' | 'skip', number>> = {
  iptables: criuNumber('networkLock', 'iptables'),
  nftables: criuNumber('networkLock', 'nftables'),
  skip: criuNumber('networkLock', 'skip'),
};

/** The options that are a field each, by their names. Where a name has two rows they are the same field. */
const rowsOfFields: ReadonlyMap<string, OptionRow & { field: string }> = new Map(
  optionTable.flatMap((row) =>
    row.field === undefined ? [] : [[row.name, { ...row, field: row.field }]],
  ),
);

/** The fields of CRIU's request that validated options are. */
export function toFields(
  options:
    | CheckpointOptions
    | CheckpointSelfOptions
    | DumpOptions
    | PreDumpOptions
    | RestoreOptions,
): CriuFields {
  const given = options as Readonly<Record<string, unknown>>;
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    const row = rowsOfFields.get(name);
    const value = given[name];
    if (row === undefined || value === undefined) continue;
    // An empty list is the same as none.
    if (Array.isArray(value) && value.length === 0) continue;
    if (!isOurs(row, value)) fields[row.field] = toField(row, value);
  }
  // Without memory tracking CRIU would write everything again.
  if (given['parentPath'] !== undefined) fields['track_mem'] ??= true;
  return fields as CriuFields;
}

function toField(row: OptionRow, value: unknown): CriuFields[keyof CriuFields] {
  switch (row.type) {
    case 'integer':
      return Math.ceil((value as number) / (row.perFieldUnit ?? 1));
    case 'enum':
      return numberOf(row, value as string);
    case 'enum[]':
      return (value as readonly string[]).reduce((bits, item) => bits | numberOf(row, item), 0);
    case 'address': {
      const { address, port } = parsePageServer(row.name, value);
      return [[address, String(port)]];
    }
    case 'cgroupRoot[]':
      return (value as readonly CgroupRoot[]).map(
        // A root without a controller is that of all controllers.
        ({ controller = '', path }) => [controller, path] as const,
      );
    case 'joinedNamespace[]':
      return (value as readonly JoinedNamespace[]).map(({ type, path }) => [type, path] as const);
    case 'inheritedFd[]':
      return (value as readonly InheritedFd[]).map(({ fd, resource }) => [resource, fd] as const);
    default:
      return value as boolean | string | readonly string[];
  }
}

/** CRIU's number for a word of an option, as the table has it. */
export function criuNumber(name: string, value: string): number {
  const row = optionTable.find((candidate) => candidate.name === name);
  if (!row) throw new Error(`There is no option ${name}`);
  return numberOf(row, value);
}

/** Whether a word is one of ours, which CRIU is not told. */
function isOurs({ values = [], numbers = [] }: OptionRow, value: unknown): boolean {
  const index = values.indexOf(value as string);
  return index in numbers && numbers[index] === undefined;
}

function numberOf({ name, values = [], numbers = [] }: OptionRow, value: string): number {
  const number = numbers[values.indexOf(value)];
  if (number === undefined) throw new Error(`${name} has no number for ${value}`);
  return number;
}
