import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { optionsOf } from '../../../lib/options/calls.js';
import { networkLocks, toFields } from '../../../lib/options/fields.js';
import type { Call } from '../../../lib/options/schema.js';
import { coreFields, optionTable } from '../../../lib/options/table.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { insertTable } from '../../../scripts/generate/options.mjs';
import { calls } from '../../helpers/options.js';
import { projectRoot, protoDirectory } from '../../helpers/paths.js';

/** Those that have an option which must be given. */
const servers: readonly Call[] = ['startPageServer', 'startLazyPages'];
const kebab = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

describe('the table', () => {
  test.each(calls)('has each name of %s once', (call) => {
    const names = optionsOf(call).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('has each flag once of a call, in kebab case, but none for what a shell cannot give', () => {
    for (const call of calls) {
      const flags = optionsOf(call).flatMap(({ flag }) => flag ?? []);
      expect(new Set(flags).size).toBe(flags.length);
      for (const flag of flags) expect(flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
    }
    const without = optionsOf('checkpoint').filter(({ flag }) => flag === undefined);
    expect(without.map(({ name }) => name).sort()).toEqual([
      'criu',
      'hooks',
      'onProgress',
      'signal',
      'stateRoot',
    ]);
  });

  test('has flags only of what a command takes', () => {
    const commands: readonly Call[] = calls.filter((call) => call !== 'checkpointSelf');
    for (const { calls: of, flag } of optionTable) {
      if (flag !== undefined) expect(of.some((call) => commands.includes(call))).toBe(true);
    }
  });

  test('has one name for each flag', () => {
    const names = new Map<string, string>();
    for (const { name, flag } of optionTable) {
      if (flag === undefined) continue;
      expect(names.get(flag) ?? name).toBe(name);
      names.set(flag, name);
    }
  });

  test("spells runc's options as its flags are spelled", () => {
    for (const { name, flag = kebab(name), source } of optionTable) {
      if (!source.startsWith('runc ') || name === 'stateRoot') continue;
      expect(source).toContain(`runc --${flag}`);
      expect(name).toBe(flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
    }
  });

  test('has help in one line, without a full stop', () => {
    for (const { help } of optionTable) {
      expect(help).toMatch(/^[^\n]*[^.\n]$/);
      expect(help.length).toBeLessThanOrEqual(100);
    }
  });

  test('has values and numbers side by side', () => {
    for (const { type, field, values = [], numbers = [] } of optionTable) {
      if (!type.startsWith('enum')) continue;
      expect(values).not.toEqual([]);
      expect(numbers).toHaveLength(field === undefined ? 0 : values.length);
    }
  });

  test('has defaults that its own validation takes', () => {
    for (const call of calls) {
      const needed = servers.includes(call) ? { address: '10.0.0.1', port: 27 } : {};
      expect(() => validateOptions(call, needed)).not.toThrow();
    }
  });
});

/** Fields of a message of rpc.proto with their types, and the constants of its enums. */
function readProto(text: string): { fields: Map<string, string>; enums: Map<string, number> } {
  const block = (head: string): string => {
    const start = text.indexOf(`${head} {`);
    return text.slice(start, text.indexOf('\n}', start));
  };
  const fields = new Map<string, string>();
  const line = /^\s*(?:optional|required|repeated)\s+(\w+)\s+(\w+)\s*=/gm;
  for (const [, type = '', name = ''] of block('message criu_opts').matchAll(line)) {
    fields.set(name, type);
  }
  const enums = new Map<string, number>();
  for (const [, name = ''] of text.matchAll(/^enum (\w+) \{/gm)) {
    for (const [, constant, number] of block(`enum ${name}`).matchAll(/(\w+)\s*=\s*(\d+);/g)) {
      enums.set(`${name}.${constant}`, Number(number));
    }
  }
  return { fields, enums };
}

const protoFile = join(protoDirectory, 'rpc.proto');
// It comes with CRIU's headers. Without them the native table, below, has to do.
describe.runIf(existsSync(protoFile))("CRIU's rpc.proto", () => {
  const { fields, enums } = existsSync(protoFile)
    ? readProto(read(protoFile))
    : readProto('message criu_opts {\n}');

  const types: Record<string, string> = {
    boolean: 'bool',
    'string[]': 'string',
    'path[]': 'string',
    path: 'string',
    relativePath: 'string',
    fileName: 'string',
    address: 'criu_page_server_info',
    string: 'string',
    'cgroupRoot[]': 'cgroup_root',
    'joinedNamespace[]': 'join_namespace',
    'inheritedFd[]': 'inherit_fd',
  };

  test('has every field of the table, of its type', () => {
    for (const { field, type } of optionTable) {
      if (field === undefined) continue;
      expect(fields.has(field), field).toBe(true);
      if (types[type] !== undefined) expect(fields.get(field), field).toBe(types[type]);
      if (type === 'integer') expect(fields.get(field), field).toMatch(/^u?int32$/);
    }
  });

  test('has the numbers of the table', () => {
    // Of CRIU's words, those that are not ours in capitals.
    const words: Record<string, string> = { READ: 'VM_READ' };
    for (const { type, field, values = [], numbers = [] } of optionTable) {
      if (type !== 'enum' || field === undefined) continue;
      const of = fields.get(field);
      const found = values.map((word) => {
        const constant = word.toUpperCase();
        return enums.get(`${of}.${words[constant] ?? constant}`);
      });
      expect(found, field).toEqual(numbers);
    }
  });
});

test('the fields of the tables are those that the addon can set', () => {
  const rows = read(projectRoot, 'native/criu/criu_options.cc').matchAll(/\{"(\w+)", \d+, k\w+,/g);
  const native = new Set([...rows].map(([, name]) => name));
  const fields = [...optionTable, ...coreFields].flatMap(({ field }) => field ?? []);
  expect(native).toEqual(new Set(fields));
});

describe('the types of the options', () => {
  const types = read(projectRoot, 'lib/options/types.ts');

  test('declare each row of the table once', () => {
    const declared = [...types.matchAll(/^ {2}(\w+)\??: /gm)].map(([, name]) => name);
    expect(declared.sort()).toEqual(optionTable.map(({ name }) => name).sort());
  });

  test('are exported by the package, with all that they are made of', () => {
    const index = read(projectRoot, 'lib/index.ts');
    expect(index).toContain("export type * from './options/types.js';");
    const imported = [...types.matchAll(/^import type \{ ([\w, ]+) \}/gm)].flatMap(
      ([, names = '']) => names.split(', '),
    );
    expect(imported.length).toBeGreaterThan(3);
    // Node's own are everybody's.
    const ours = imported.filter((name) => name !== 'Writable');
    for (const name of ours) expect(index).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

test('the table of options goes into no text without its marks', () => {
  expect(() => insertTable('# Title\n', optionTable)).toThrow('options:begin');
});

describe('the fields of a request', () => {
  const fields = (options: object): unknown => toFields(validateOptions('dump', options));
  const always = { log_level: 4, log_file: 'dump.log' };

  test('are the defaults alone when nothing is given', () => {
    expect(fields({})).toEqual(always);
    expect(toFields(validateOptions('checkpoint', {}))).toEqual({
      ...always,
      manage_cgroups_mode: 3,
    });
  });

  test.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ leaveRunning: true }, { leave_running: true }],
    [{ fileLocks: false }, { file_locks: false }],
    [{ manageCgroupsMode: 'ignore' }, { manage_cgroups_mode: 0 }],
    [{ networkLock: 'nftables' }, { network_lock: 2 }],
    [{ emptyNs: ['network'] }, { empty_ns: 0x4000_0000 }],
    [{ emptyNs: [] }, {}],
    [{ external: [] }, {}],
    [{ external: ['mnt[/a]:b'] }, { external: ['mnt[/a]:b'] }],
    [{ timeoutMs: 1 }, { timeout: 1 }],
    [{ timeoutMs: 2000 }, { timeout: 2 }],
    [{ timeoutMs: 2001 }, { timeout: 3 }],
    [{ ghostLimit: 2 ** 32 - 1 }, { ghost_limit: 2 ** 32 - 1 }],
    [{ pageServer: '[::1]:27' }, { ps: [['::1', '27']] }],
    [
      { cgRoots: [{ path: '/a' }, { controller: 'cpu', path: '/b' }] },
      {
        cg_root: [
          ['', '/a'],
          ['cpu', '/b'],
        ],
      },
    ],
    [{ parentPath: '../p' }, { parent_img: '../p', track_mem: true }],
    [{ root: '/srv' }, { root: '/srv' }],
    [
      { skipMnt: ['/a'], enableFs: ['all'] },
      { skip_mnt: ['/a'], enable_fs: ['all'] },
    ],
    // What the core acts on is no field.
    [{ workPath: '/w', existing: 'replace', signal: new AbortController().signal }, {}],
  ])('%j', (options, expected) => {
    expect(fields(options)).toEqual({ ...always, ...expected });
  });

  test('of a pre-dump', () => {
    expect(toFields(validateOptions('preDump', { preDumpMode: 'read' }))).toEqual({
      ...always,
      pre_dump_mode: 2,
    });
  });

  test('every option with a field becomes that field alone', () => {
    for (const { name, type, field } of optionsOf('dump')) {
      if (type !== 'boolean' || field === undefined) continue;
      expect(toFields({ [name]: true })).toEqual({ [field]: true });
    }
  });

  test('numbers of network locks are those of the table', () => {
    expect(networkLocks).toEqual({ iptables: 1, nftables: 2, skip: 3 });
  });
});
