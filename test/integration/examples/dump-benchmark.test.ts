import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { goesOn, startWorkload } from '../../helpers/system/process.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const program = join(projectRoot, 'examples/dump-benchmark/benchmark.mjs');

test('examples/dump-benchmark dumps a process 50 times and prints percentiles', async () => {
  const workload = await startWorkload(scope, ['idle']);
  const text = await runOk(process.execPath, [program, '--json', String(workload.pid)]);
  const rows = JSON.parse(text) as Record<string, number | string>[];
  expect(rows.map(({ what }) => what)).toEqual([
    'whole call (ms)',
    'process stands still (ms)',
    'criu (ms)',
    'pages written',
  ]);
  for (const { min, p50, p90, p99, max } of rows) {
    const values = [min, p50, p90, p99, max] as number[];
    expect(values.every((value) => value > 0)).toBe(true);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  }
  await goesOn(workload);
  expect(await runOk(process.execPath, [program, '--dumps', '2', String(workload.pid)])).toMatch(
    /'whole call \(ms\)'/,
  );
});
