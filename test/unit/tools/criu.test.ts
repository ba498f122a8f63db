import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { newKernelDataDirectory } from '../../../tools/criu.mjs';

const build = {
  version: '4.2.1',
  sha256: 'a'.repeat(64),
  prefix: '/opt/one/.criu',
  builtAt: new Date('2026-01-02T03:04:05Z'),
};

test.each([
  ['in another prefix', { prefix: '/opt/other/.criu' }],
  ['of another version', { version: '4.1.1' }],
  ['of another source', { sha256: 'b'.repeat(64) }],
  ['made again', { builtAt: new Date('2026-01-02T03:04:06Z') }],
])('a build %s has a kernel-data directory of its own', (_, change) => {
  const one = newKernelDataDirectory(build);
  const other = newKernelDataDirectory({ ...build, ...change });
  expect(other).not.toBe(one);
  expect([one, other].map(dirname)).toEqual(['/run/criu', '/run/criu']);
});
