import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { locate } from '../../../lib/criu/locate.js';
import { failureOf } from '../../helpers/rejection.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'libcriu-locate-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A prefix as `make install` lays it out, with empty files. */
async function makePrefix(name: string, library = 'lib/libcriu.so.2'): Promise<string> {
  const prefix = join(directory, name);
  for (const file of ['sbin/criu', library]) {
    await mkdir(join(prefix, file, '..'), { recursive: true });
    await writeFile(join(prefix, file), '');
    await chmod(join(prefix, file), 0o755);
  }
  return prefix;
}

describe('locate', () => {
  test('takes program and library of a prefix', async () => {
    const prefix = await makePrefix('a');
    expect(await locate({ prefix }, {})).toEqual({
      binary: join(prefix, 'sbin/criu'),
      library: join(prefix, 'lib/libcriu.so.2'),
    });
  });

  test('takes a prefix that is given before LIBCRIU_PREFIX', async () => {
    const [given, environment] = [await makePrefix('a'), await makePrefix('b')];
    const LIBCRIU_PREFIX = environment;
    expect((await locate({}, { LIBCRIU_PREFIX })).binary).toBe(join(environment, 'sbin/criu'));
    expect((await locate({ prefix: given }, { LIBCRIU_PREFIX })).binary).toBe(
      join(given, 'sbin/criu'),
    );
  });

  test('takes a program and a library that are given before those of the prefix', async () => {
    const [prefix, other] = [await makePrefix('a'), await makePrefix('b')];
    const binary = join(other, 'sbin/criu');
    expect(await locate({ prefix, binary }, {})).toEqual({
      binary,
      library: join(prefix, 'lib/libcriu.so.2'),
    });
    expect(await locate({ prefix, library: '/some/libcriu.so.2' }, {})).toEqual({
      binary: join(prefix, 'sbin/criu'),
      library: '/some/libcriu.so.2',
    });
  });

  test.each(['lib', 'lib64'])('looks for the library in %s', async (name) => {
    const prefix = await makePrefix('a', `${name}/libcriu.so.2`);
    expect((await locate({ prefix }, {})).library).toBe(join(prefix, name, 'libcriu.so.2'));
  });

  test('refuses by name a prefix without a program or without a library', async () => {
    const prefix = await makePrefix('a');
    await rm(join(prefix, 'lib'), { recursive: true });
    expect(await failureOf(locate({ prefix }, {}))).toMatchObject({
      code: 'ERR_CRIU_LIBRARY_NOT_FOUND',
      message: expect.stringContaining(prefix) as string,
    });
    await rm(join(prefix, 'sbin'), { recursive: true });
    expect(await failureOf(locate({ prefix }, {}))).toMatchObject({
      code: 'ERR_CRIU_NOT_FOUND',
      message: expect.stringContaining(prefix) as string,
    });
  });

  test('needs no program for a service, only the library', async () => {
    const prefix = await makePrefix('a');
    await rm(join(prefix, 'sbin'), { recursive: true });
    expect(await locate({ prefix, service: '/run/criu.sock' }, {})).toEqual({
      binary: '',
      library: join(prefix, 'lib/libcriu.so.2'),
      service: '/run/criu.sock',
    });
    expect(
      (await locate({ prefix, library: '/l.so', service: '/run/criu.sock' }, {})).library,
    ).toBe('/l.so');
  });

  test('refuses a program that cannot be executed', async () => {
    const prefix = await makePrefix('a');
    const binary = join(prefix, 'sbin/criu');
    await chmod(binary, 0o644);
    for (const settings of [{ prefix }, { prefix, binary }]) {
      expect(await failureOf(locate(settings, {}))).toMatchObject({
        code: 'ERR_CRIU_PERMISSION',
        message: expect.stringContaining(binary) as string,
      });
    }
  });
});
