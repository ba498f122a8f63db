import { expect, test, vi } from 'vitest';
import { limitEvery, runRounds } from '../../../bench/lib/rounds.mjs';

/** A variant whose figure is how often it was measured before. */
function variant(name: string, every?: number) {
  let calls = 0;
  const measure = vi.fn(async () => ({ ms: calls++ }));
  return { name, measure, ...(every === undefined ? {} : { every }) };
}

test('all variants are measured in each round, and a limit in some of them', async () => {
  const ours = variant('ours');
  const limit = variant('limit', limitEvery);
  const samples = await runRounds([ours, limit], 4, { warmUp: 2 });
  // What warms up is left out.
  expect(samples.of('ours', 'ms')).toEqual([2, 3, 4, 5]);
  expect(limit.measure).toHaveBeenCalledTimes(6 / limitEvery);
  expect(samples.of('limit', 'ms')).toEqual([1, 2]);
  expect(() => samples.of('limit', 'pause')).toThrow('limit has no pause');
});

test('what is measured in one round of some is measured in the first that counts', async () => {
  const samples = await runRounds([variant('limit', 4)], 1, { warmUp: 0 });
  expect(samples.of('limit', 'ms')).toEqual([0]);
});
