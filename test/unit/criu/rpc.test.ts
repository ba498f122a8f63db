import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot, protoDirectory } from '../../helpers/paths.js';

const nativeFile = (name: string): string =>
  readFileSync(join(projectRoot, 'native/criu', name), 'utf8');

/** The numbers of rpc.proto: of the fields of each message, and of the constants of each enum. */
function readProto(text: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [, block = '', body = ''] of text.matchAll(
    /^(?:message|enum) (\w+) \{\n(.*?)^\}/gms,
  )) {
    for (const [, name, number] of body.matchAll(/(\w+)\s*=\s*(\d+)\s*[;[]/g)) {
      numbers.set(`${block}.${name}`, Number(number));
    }
  }
  return numbers;
}

/** The constants of native/criu/rpc.h: namespace, name and number. */
function readHeader(): { space: string; name: string; number: number }[] {
  const spaces = nativeFile('rpc.h').matchAll(/^namespace (\w+) \{\n(.*?)^\}/gms);
  return [...spaces].flatMap(([, space = '', body = '']) =>
    [...body.matchAll(/^constexpr \w+ k(\w+) = (\d+);$/gm)].map(([, name = '', number]) => ({
      space,
      name,
      number: Number(number),
    })),
  );
}

/** `kCrErrno` as `cr_errno`. */
const snake = (name: string): string =>
  name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

/** The rows of native/criu/criu_options.cc: name and number. */
const rows = [...nativeFile('criu_options.cc').matchAll(/\{"(\w+)", (\d+), k\w+,/g)].map(
  ([, name = '', number]) => ({ name, number: Number(number) }),
);

const protoFile = join(protoDirectory, 'rpc.proto');

// It comes with CRIU's headers.
describe.runIf(existsSync(protoFile))(
  "the numbers of native/criu/ are those of CRIU's rpc.proto",
  () => {
    const numbers = readProto(existsSync(protoFile) ? readFileSync(protoFile, 'utf8') : '');

    test('the constants of rpc.h', () => {
      const constants = readHeader().filter(({ space }) => space !== 'pair');
      expect(constants.length).toBeGreaterThan(30);
      for (const { space, name, number } of constants) {
        const field = `${space}.${snake(name)}`;
        const constant = `${space}.${snake(name).toUpperCase()}`;
        expect(numbers.get(field) ?? numbers.get(constant), field).toBe(number);
      }
    });

    test('the pairs of rpc.h', () => {
      const pair = new Map(
        readHeader().map(({ space, name, number }) => [`${space}.${name}`, number]),
      );
      for (const [key, value] of [
        ['ext_mount_map.key', 'ext_mount_map.val'],
        ['cgroup_root.ctrl', 'cgroup_root.path'],
        ['join_namespace.ns', 'join_namespace.ns_file'],
      ] as const) {
        expect([numbers.get(key), numbers.get(value)], key).toEqual([
          pair.get('pair.Key'),
          pair.get('pair.Value'),
        ]);
      }
    });

    test('the rows of criu_options.cc', () => {
      expect(rows.length).toBeGreaterThan(40);
      for (const { name, number } of rows)
        expect(numbers.get(`criu_opts.${name}`), name).toBe(number);
    });
  },
);

test('lib/ sets every field that the addon can set', () => {
  const files = readdirSync(join(projectRoot, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('_pb.ts'))
    .map((name) => readFileSync(join(projectRoot, 'lib', name), 'utf8'))
    .join('\n');
  // A field of the options table, or one that is set in a request.
  const isSet = (name: string): boolean =>
    new RegExp(`field: '${name}'|\\b${name}(?::|'\\])`).test(files);
  expect(rows.map(({ name }) => name).filter((name) => !isSet(name))).toEqual([]);
});
