import { describe, expect, test } from 'vitest';
import { Budget, forEach, mountIdOf } from '../../../lib/linux/procfs.js';

describe('procfs', () => {
  test('reads the mount of a descriptor from its fdinfo', () => {
    expect(mountIdOf('pos:\t0\nflags:\t02\nmnt_id:\t27\nino:\t5\n')).toBe(27);
    expect(mountIdOf('')).toBeUndefined();
  });

  test('looks at nothing more when the budget is spent', async () => {
    const seen: number[] = [];
    await forEach([1, 2, 3], new Budget(-1), async (item) => {
      seen.push(item);
    });
    expect(seen).toEqual([]);
  });
});
