import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findRuntime } from '../../../lib/container/runtime.js';
import { Criu } from '../../../lib/criu/criu.js';
import { locate } from '../../../lib/criu/locate.js';
import { requireTrustedAddon } from '../../../lib/linux/trusted.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const alice = 1000;
let root = '';
beforeAll(() => requireNeeds('root'));
beforeEach(async () => {
  root = await scope.directory();
  for (const name of ['sbin/criu', 'lib/libcriu.so.2', 'bin/runc', 'criu.sock', 'addon.node']) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), '');
    chmodSync(join(root, name), 0o755);
  }
});
afterEach(() => void vi.unstubAllEnvs());

const at = (name: string): string => join(root, name);

/** What is used, the path that decides on it, and its use. */
const uses: readonly [string, string, () => Promise<unknown>][] = [
  ['the program of a prefix', 'sbin/criu', () => locate({ prefix: root }, {})],
  ['the library of a prefix', 'lib/libcriu.so.2', () => locate({ prefix: root }, {})],
  ['LIBCRIU_PREFIX', 'sbin/criu', () => locate({}, { LIBCRIU_PREFIX: root })],
  ['a program that is given', 'sbin/criu', () => locate({ binary: at('sbin/criu') }, {})],
  [
    'a library that is given',
    'lib/libcriu.so.2',
    () => locate({ binary: '/usr/bin/env', library: at('lib/libcriu.so.2') }, {}),
  ],
  [
    'the socket of a service',
    'criu.sock',
    () => locate({ service: at('criu.sock'), library: 'libcriu.so.2' }, {}),
  ],
  ['the path of a runtime', 'bin/runc', () => findRuntime(at('bin/runc'))],
  [
    'the name of a runtime',
    'bin/runc',
    () => {
      vi.stubEnv('PATH', `${at('none')}:${at('bin')}:/usr/bin`);
      return findRuntime('runc');
    },
  ],
  [
    'LIBCRIU_ADDON',
    'addon.node',
    () => {
      vi.stubEnv('LIBCRIU_ADDON', at('addon.node'));
      return requireTrustedAddon();
    },
  ],
];

/** How somebody else can come to decide what is at a path. */
const plants: readonly [string, (path: string) => void][] = [
  ['it belongs to another user', (path) => chownSync(path, alice, alice)],
  ['its directory belongs to another user', (path) => chownSync(dirname(path), alice, alice)],
  ['every user may write it', (path) => chmodSync(path, 0o777)],
  ['every user may write its directory', (path) => chmodSync(dirname(path), 0o777)],
];

describe.each(plants)('where %s', (_why, plant) => {
  test.each(uses)('%s is refused', async (_what, name, use) => {
    await use();
    plant(at(name));
    const error = await failureOf(use());
    expect(error).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
    expect(error.message).toMatch(/^Refused to use the [^\n]+$/);
    expect(error.message).toContain(at(name));
  });
});

test('a link of another user to a program of root is refused', async () => {
  mkdirSync(at('shared'));
  chmodSync(at('shared'), 0o1777);
  symlinkSync(at('sbin/criu'), at('shared/criu'));
  await locate({ binary: at('shared/criu') }, {});
  lchownSync(at('shared/criu'), alice, alice);
  expect(await failureOf(locate({ binary: at('shared/criu') }, {}))).toMatchObject({
    code: 'ERR_UNTRUSTED_PATH',
  });
});

test('the public calls refuse it before they start anything', async () => {
  chownSync(at('sbin/criu'), alice, alice);
  const criu = new Criu({ prefix: root });
  for (const call of ['version', 'features', 'check'] as const) {
    const error = await failureOf(criu[call]());
    expect(error).toMatchObject({ code: 'ERR_UNTRUSTED_PATH', operation: call });
  }
});

test('a runtime that is nowhere is told by whoever starts it', async () => {
  expect(await findRuntime('no-such-runtime')).toBe('no-such-runtime');
  expect(await findRuntime(at('none'))).toBe(at('none'));
});
