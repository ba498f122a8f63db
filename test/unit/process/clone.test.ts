import { describe, expect, test } from 'vitest';
import { pidApart } from '../../../lib/process/clone.js';

const last = 4_194_303;

describe('the pid before those that criu gets in a clone', () => {
  test.each<[string, number[], number]>([
    ['is far from the lowest without any', [], 1300],
    ['does not care for the lowest pids', [2, 3, 20], 1300],
    ['is behind pids in the low part', [400, 401, 5000], 6000],
    ['is before pids in the high part', [4_000_000], 1300],
    ['is between two pids that are far apart', [1000, 4_194_000], 2000],
    ['is the same whatever their order', [5000, 401, 400], 6000],
  ])('%s', (_what, pids, expected) => {
    expect(pidApart(new Set(pids), last)).toBe(expected);
  });

  test('leaves as much room on both sides where there is little', () => {
    expect(pidApart(new Set([400, 900]), 1000)).toBe(650);
  });

  test('has room behind it on a machine with few pids', () => {
    const pids = new Set(Array.from({ length: 50 }, (_, index) => 300 + index * 600));
    const before = pidApart(pids, 32_767);
    for (let pid = before; pid <= before + 290; pid++) expect(pids.has(pid)).toBe(false);
  });
});
