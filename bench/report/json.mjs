// @ts-check
import { holds, timesLimit } from '../lib/result.mjs';
import { summarize } from '../lib/statistics.mjs';

/**
 * Everything, samples included.
 *
 * @param {import('./run.mjs').Run} run
 */
export function jsonReport({ groups, ...facts }) {
  const report = {
    ...facts,
    groups: groups.map(
      ({ name, title, result: { charts, targets, notes = [], missing = [] } }) => ({
        name,
        title,
        charts: charts.map(({ bars, ...chart }) => ({
          ...chart,
          bars: bars.map(({ ours = false, limit = false, ...bar }) => ({
            ...bar,
            ours,
            limit,
            ...summarize(bar.samples),
          })),
        })),
        targets: targets.map((target) => ({
          ...target,
          holds: holds(target),
          timesLimit: timesLimit(target),
        })),
        notes,
        missing,
      }),
    ),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}
