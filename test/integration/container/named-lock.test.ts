import { readdirSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { takeNamedLock } from '../../../lib/locks/named-lock.js';
import { requireNeeds } from '../../helpers/needs.js';

const settings = { wait: false, signal: undefined };
const files = (): string[] =>
  readdirSync('/run/libcriu/locks').filter((name) => name.startsWith('test-'));

beforeAll(() => requireNeeds('root', 'build'));

test.each([
  ['a path', '/run/runc/web', 'test-%2frun%2frunc%2fweb'],
  ['what looks like a name of another', '%2frun', 'test-%252frun'],
  ['what no name can have', 'ä/\0\n..', 'test-%c3%a4%2f%00%0a..'],
  ['half a character', '\ud800', 'test-%ef%bf%bd'],
  ['a long path', `/${'x'.repeat(300)}`, expect.stringMatching(/^test-[0-9a-f]{64}$/)],
])('the lock of %s is taken once, and its file goes with it', async (_name, key, file) => {
  const release = await takeNamedLock('test', key, settings);
  expect(files()).toEqual([file]);
  expect(await takeNamedLock('test', key, settings)).toBeUndefined();
  const other = await takeNamedLock('test', `${key}x`, settings);
  expect(files()).toHaveLength(2);
  await other?.();
  await release?.();
  expect(files()).toEqual([]);
});
