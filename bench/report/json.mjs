// @ts-check
import { holds } from '../lib/result.mjs';
import { summarize } from '../lib/statistics.mjs';

/**
 * Everything, samples included.
 *
 * @param {import('./run.mjs').Run} run
 */
export function jsonReport({ groups, ...facts }) {
  const report = {
    ...facts,
    groups: groups.map(({ name, title, result: { charts, targets, notes = [] } }) => ({
      name,
      title,
      charts: charts.map(({ bars, ...chart }) => ({
        ...chart,
        bars: bars.map(({ ours = false, ...bar }) => ({ ...bar, ours, ...summarize(bar.samples) })),
      })),
      targets: targets.map((target) => ({ ...target, holds: holds(target) })),
      notes,
    })),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}
