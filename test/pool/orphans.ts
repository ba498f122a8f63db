import { afterAll, beforeAll } from 'vitest';
import { until } from '../helpers/system/exec.js';
import { orphans } from '../helpers/system/leaks.js';

// A criu that a test file leaves behind stays on the machine for all that come after it. So the file
// that leaves it has failed, and not one that finds it.
let before: ReadonlyMap<number, string>;
beforeAll(() => {
  before = orphans();
});

afterAll(async () => {
  let left: string[] = [];
  await until('nothing of ours is left', () => {
    left = [...orphans()].filter(([pid]) => !before.has(pid)).map(([, line]) => line);
    return left.length === 0;
  }).catch((error: unknown) => {
    throw left.length > 0 ? new Error(`left behind: ${left.join('; ')}`) : error;
  });
});
