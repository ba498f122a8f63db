import { defineConfig } from 'vitest/config';
import { namespacePool } from './test/pool/namespace.js';

const second = 1000;

// Where the Node.js processes that a test starts are to leave what they have run (scripts/coverage.mjs).
const coverage = process.env['LIBCRIU_COVERAGE'];
/** What needs engines that this machine has not (scripts/engines.mjs). */
const runsEngines = process.env['LIBCRIU_ENGINES_REPORT'] !== undefined;
/** What takes minutes, for each release of Node.js and CRIU (scripts/support.mjs). */
const runsSupport = process.env['LIBCRIU_SUPPORT_REPORT'] !== undefined;
/** Whether processes tell at their exit what they have run. */
const tellsAtExit = coverage !== undefined || process.env['LIBCRIU_GCOV'] !== undefined;

/** What cannot run as the tests are run (scripts/sanitize.mjs); `--exclude` does not reach projects. */
const excluded = process.env['LIBCRIU_TEST_EXCLUDE']?.split(' ') ?? [];

/** With the address sanitizer processes start and run several times slower (scripts/sanitize.mjs). */
const slowness = process.env['LIBCRIU_TEST_NODE'] === undefined ? 1 : 4;

// These limits are for what hangs: a test has ten times what it takes beside a load of four for each
// processor. What a test itself waits for has a limit that is told when it is over (test/helpers).
// The virtual machine is given up by what it does, and not by the clock (test/vm/host/watch.ts).
//
// The projects run one group after the other: what measures time or looks at every process of the
// machine must not share it with other tests.
function project(
  name: string,
  groupOrder: number,
  timeout: number,
  parallel: boolean,
  needsRoot: boolean,
) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude: [
        ...(runsEngines ? [] : ['test/vm/engines.test.ts']),
        ...(runsSupport ? [] : ['test/vm/support*.test.ts']),
        ...excluded,
      ],
      pool: needsRoot ? namespacePool() : ('forks' as const),
      fileParallelism: parallel,
      // Vitest would leave one processor to itself: on two, the machines would be booted in turn.
      ...(name === 'vm' ? { maxWorkers: 2 } : {}),
      testTimeout: timeout * slowness,
      hookTimeout: timeout * slowness,
      teardownTimeout: 30 * second,
      sequence: { groupOrder },
      ...(coverage === undefined ? {} : { env: { NODE_V8_COVERAGE: coverage } }),
      setupFiles: [
        ...(needsRoot ? ['test/pool/orphans.ts'] : []),
        ...(tellsAtExit ? ['test/pool/exit.ts'] : []),
        ...(process.env['LIBCRIU_TEST_NODE'] === undefined ? [] : ['test/pool/sanitized.ts']),
      ],
    },
  };
}

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      reporter: ['json'],
      reportsDirectory: 'coverage',
      // What child processes have left there.
      clean: false,
    },
    projects: [
      project('unit', 0, 60 * second, true, false),
      project('fuzz', 1, 120 * second, true, false),
      project('native', 2, 30 * second, true, true),
      project('lifecycle', 3, 120 * second, false, true),
      project('integration', 4, 120 * second, false, true),
      project('package', 5, 300 * second, false, true),
      project('vm', 6, 3600 * second, true, false),
      ...(runsEngines ? [project('engines', 7, 120 * second, false, true)] : []),
    ],
  },
});
