import { describe, expect, test } from 'vitest';
import { Budget, forEach, mountIdOf } from '../../../lib/linux/procfs.js';

describe('small parts', () => {
  test('the mount of a descriptor', () => {
    expect(mountIdOf('pos:\t0\nflags:\t02\nmnt_id:\t27\nino:\t5\n')).toBe(27);
    expect(mountIdOf('')).toBeUndefined();
  });

  test('a spent budget ends the work', async () => {
    const seen: number[] = [];
    await forEach([1, 2, 3], new Budget(-1), async (item) => {
      seen.push(item);
    });
    expect(seen).toEqual([]);
  });
});
