import { defineConfig } from 'vitest/config';

const second = 1000;

// The projects run one group after the other: what measures time or looks at every process of the
// machine must not share it with other tests.
function project(name: string, groupOrder: number, timeout: number, parallel: boolean) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      pool: 'forks' as const,
      fileParallelism: parallel,
      testTimeout: timeout,
      hookTimeout: timeout,
      teardownTimeout: 30 * second,
      sequence: { groupOrder },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', 0, 10 * second, true),
      project('native', 1, 30 * second, true),
      project('lifecycle', 2, 120 * second, false),
      project('integration', 3, 120 * second, false),
      project('package', 4, 300 * second, false),
      project('vm', 5, 420 * second, false),
    ],
  },
});
