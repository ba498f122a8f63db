// The same tests where nothing is known to be local, so that each look is a turn of libuv's pool.
import { expect, test, vi } from 'vitest';
import { localMounts } from '../../../lib/linux/local-mounts.js';

vi.mock(import('../../../lib/linux/local-mounts.js'), async (original) => ({
  ...(await original()),
  localMounts: () => () => false,
}));

test('nothing is local', () => {
  expect(localMounts()('/')).toBe(false);
});

await import('./ownership.test.js');
