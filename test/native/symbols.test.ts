import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { findMusl } from '../../tools/packages.mjs';
import { hasUnwindTable, symbolsOf } from '../../tools/packing/elf.mjs';
import { glibcOf, missingFrom, newerThan, otherLibraries } from '../../tools/packing/symbols.mjs';
import { addonFiles } from '../../tools/platforms.mjs';
import { requireNeeds } from '../helpers/needs.js';
import { nativeDirectory } from '../helpers/paths.js';

let ofMusl: ReadonlySet<string> = new Set();
beforeAll(async () => {
  requireNeeds('build');
  const musl = findMusl();
  if (musl === undefined) throw new Error('this test needs musl: run "npm run setup" as root');
  ofMusl = await symbolsOf(musl);
});

const built = (name: string): string => join(nativeDirectory, name);

test.each(addonFiles)('%s takes nothing of the C library that musl does not have', async (name) => {
  expect(await missingFrom(built(name), ofMusl)).toEqual([]);
});

test.each(addonFiles)('%s has the table by which exceptions are caught', async (name) => {
  expect(await hasUnwindTable(built(name))).toBe(true);
});

describe('of the symbols that a file needs', () => {
  test('those are told that another C library does not have', async () => {
    const without = new Set([...ofMusl].filter((name) => name !== 'posix_spawn'));
    expect(await missingFrom(built('criu_native.node'), without)).toEqual(['posix_spawn']);
  });

  test('those are told that are newer than a version of glibc', async () => {
    const newest = await glibcOf(built('criu_native.node'));
    expect(newest).toMatch(/^2\.\d+$/);
    expect(await newerThan(built('criu_native.node'), newest)).toEqual([]);
    expect(await newerThan(built('criu_native.node'), '2.2')).not.toEqual([]);
  });

  test('the libraries are told that do not belong to glibc', async () => {
    expect(await otherLibraries('/usr/bin/env')).toEqual([]);
    expect(await otherLibraries(realpathSync('/proc/self/exe'))).toContain('libstdc++.so.6');
  });
});
