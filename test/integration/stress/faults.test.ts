import { afterAll, beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { cleanUp, kinds, runKind } from '../../stress/run.js';

beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'prlimit'),
);
afterAll(cleanUp);

/** Two minutes of what `npm run test:stress` does: the kinds, with so many moments at random of each. */
const short: Readonly<Record<string, number>> = {
  'criu-killed': 1,
  'criu-stopped': 1,
  'node-killed-any': 5,
  'no-space': 1,
  'no-descriptor': 1,
  'no-thread': 1,
  'no-memory': 2,
  'no-memory-js': 2,
  answers: 1,
  'worker-ended': 3,
  exit: 3,
  'time-over': 3,
};

test.each(Object.entries(short))('nothing is lost or left behind: %s', async (name, rounds) => {
  const kind = kinds.find((one) => one.name === name);
  if (kind === undefined) throw new Error(`there is no kind ${name}`);
  const row = await runKind(kind, { rounds, seed: 1 });
  const bad = row.trials.filter(({ losses, leaks }) => losses.length + leaks.length > 0);
  expect(bad).toEqual([]);
  expect(row.injected).toBeGreaterThan(0);
});
