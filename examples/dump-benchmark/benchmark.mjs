// @ts-check
// Dumps a process again and again while it runs, and prints percentiles of what a dump takes:
//   node examples/dump-benchmark/benchmark.mjs [--dumps N] PID
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { close, dump } from 'libcriu';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dumps: { type: 'string', default: '50' },
    'shell-job': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const pid = Number(positionals[0]);
const count = Number(values.dumps);

/** What is measured of a dump. @type {Record<string, (result: import('libcriu').DumpResult) => number>} */
const measures = {
  'whole call (ms)': ({ durationMs }) => durationMs,
  'process stands still (ms)': ({ timings }) => timings.pauseMs ?? Number.NaN,
  'criu (ms)': ({ timings }) => timings.criuMs,
  'pages written': ({ stats }) => stats?.pagesWritten ?? Number.NaN,
};

/**
 * The nearest-rank percentile.
 *
 * @param {readonly number[]} sorted
 * @param {number} percent
 */
const percentile = (sorted, percent) =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;

const directory = await mkdtemp(join(tmpdir(), 'dump-benchmark-'));
try {
  /** @type {import('libcriu').DumpResult[]} */
  const results = [];
  // The first dump starts criu and is not counted.
  for (let index = -1; index < count; index++) {
    const imagePath = join(directory, 'images');
    const result = await dump(pid, {
      imagePath,
      leaveRunning: true,
      existing: 'replace',
      shellJob: values['shell-job'],
    });
    if (index >= 0) results.push(result);
  }
  const rows = Object.entries(measures).map(([what, measure]) => {
    const sorted = results.map(measure).sort((a, b) => a - b);
    const at = [0, 50, 90, 99, 100].map((percent) => percentile(sorted, percent));
    const [min, p50, p90, p99, max] = at.map((value) => Number(value.toFixed(2)));
    return { what, min, p50, p90, p99, max };
  });
  if (values.json) console.log(JSON.stringify(rows));
  else console.table(rows);
} finally {
  await close();
  await rm(directory, { recursive: true });
}
