import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { nativeAddon, nativeTarDirectory } from '../../lib/native/addon.js';
import { optionTable } from '../../lib/options/table.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';

const scope = useScope();
beforeAll(() => requireNeeds('build'));

test('the addon sets every field that the options table names', () => {
  const names = nativeAddon().optionNames();
  expect(new Set(names).size).toBe(names.length);
  const fields = optionTable.flatMap(({ field }) => (field === undefined ? [] : [field]));
  expect(fields.filter((field) => !names.includes(field))).toEqual([]);
});

describe('exchange', () => {
  async function two(): Promise<[string, string]> {
    const directory = await scope.directory();
    const paths: [string, string] = [join(directory, 'first'), join(directory, 'second')];
    for (const path of paths) {
      mkdirSync(path);
      writeFileSync(join(path, 'which'), path);
    }
    return paths;
  }

  test('swaps two directories, whatever is in them', async () => {
    const [first, second] = await two();
    nativeAddon().exchange(first, second);
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(second);
    expect(readFileSync(join(second, 'which'), 'utf8')).toBe(first);
    nativeAddon().exchange(second, first);
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
  });

  test('of a path that is not there throws with its errno and changes nothing', async () => {
    const [first, second] = await two();
    const missing = `${second}-missing`;
    expect(() => nativeAddon().exchange(first, missing)).toThrow(
      expect.objectContaining({ errno: 2, stage: 'keep' }) as Error,
    );
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
    expect(existsSync(missing)).toBe(false);
  });

  test('of file systems that differ throws', async () => {
    const [first] = await two();
    expect(() => nativeAddon().exchange(first, '/proc/self')).toThrow(
      expect.objectContaining({ stage: 'keep' }) as Error,
    );
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
  });
});

test('hasNftables tells yes or no, the same each time, and holds nothing', () => {
  const addon = nativeAddon();
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const answer = addon.hasNftables();
  expect(typeof answer).toBe('boolean');
  const before = descriptors();
  for (let round = 0; round < 100; round++) expect(addon.hasNftables()).toBe(answer);
  expect(descriptors()).toBe(before);
});

test('close without anything to close, and twice', () => {
  nativeAddon().close();
  nativeAddon().close();
});

test('prepare with a program that is not there fails nowhere', async () => {
  const settings = { binary: '/nowhere/criu', environment: [], spares: 1 };
  nativeAddon().prepare(settings);
  await new Promise((resolve) => setTimeout(resolve, 50));
  nativeAddon().close();
});

test('a request that is mistyped is refused before anything is started', () => {
  const addon = nativeAddon();
  const good = {
    verb: 'version',
    library: '/nowhere',
    binary: '/nowhere',
    environment: [],
    fields: {},
  };
  for (const wrong of [
    undefined,
    null,
    7,
    {},
    { ...good, verb: 'nonsense' },
    { ...good, verb: 7 },
    { ...good, binary: 7 },
    { ...good, environment: 'A=b' },
    { ...good, environment: [7] },
    { ...good, fields: { nonsense: true } },
    { ...good, fields: { pid: 'one' } },
    { ...good, fields: { ps: [] } },
    { ...good, fields: { ps: [['10.0.0.1', '27', '28']] } },
    { ...good, fields: { ps: [['10.0.0.1', 'x']] } },
    { ...good, fields: { ps: [['10.0.0.1', '27x']] } },
    { ...good, fields: { ps: [['10.0.0.1', '65536']] } },
    { ...good, fields: { ps: [['10.0.0.1', '']] } },
    {
      ...good,
      fields: {
        ps: [
          ['10.0.0.1', '27'],
          ['10.0.0.2', '27'],
        ],
      },
    },
    { ...good, freezerPath: 7 },
    { ...good, library: 7 },
  ]) {
    const expected = expect.objectContaining({
      message: expect.stringMatching(/^native request: /) as string,
    }) as Error;
    expect(() => addon.start(wrong as never), JSON.stringify(wrong)).toThrow(expected);
  }
});

test('the directory of our own tar has one program in it', () => {
  expect(readdirSync(nativeTarDirectory())).toEqual(['tar']);
});
