// @ts-check
import { holds, limitMisses, timesLimit } from '../lib/result.mjs';
import { summarize } from '../lib/statistics.mjs';

/** @typedef {import('../lib/result.mjs').Chart} Chart */
/** @typedef {import('../lib/result.mjs').Result} Result */
/** @typedef {import('../lib/result.mjs').Target} Target */

/**
 * Three digits that count, or the whole number when it has more.
 *
 * @param {number} value
 */
export function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** @param {Target} target */
export function bound({ atMost, atLeast, unit }) {
  const suffix = unit === '' ? '' : ` ${unit}`;
  return atMost === undefined ? `at least ${atLeast}${suffix}` : `at most ${atMost}${suffix}`;
}

/** @param {{value: number, unit: Target['unit']}} row */
export function value({ value: found, unit }) {
  return unit === '' ? String(found) : `${unit === 'x' ? found.toFixed(3) : digits(found)} ${unit}`;
}

/** @param {Target} target */
export function verdict(target) {
  if (holds(target)) {
    return 'holds';
  }
  return limitMisses(target) ? 'misses, as the limit does' : 'misses';
}

/**
 * Columns of the width that their longest cell has; all but the first are flush right.
 *
 * @param {readonly (readonly string[])[]} rows
 */
function columns(rows) {
  const widths = rows.reduce(
    (known, row) => row.map((cell, at) => Math.max(known[at] ?? 0, cell.length)),
    /** @type {number[]} */ ([]),
  );
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/**
 * The cells of a chart's table, its head first.
 *
 * @param {Chart} chart
 */
export function tableOf({ title, unit, bars }) {
  const first = bars[0];
  const reference = first ? summarize(first.samples).median : Number.NaN;
  return [
    [title, unit, 'p10', 'p90', 'rounds', 'ratio'],
    ...bars.map(({ name, samples }) => {
      const { median, p10, p90, count } = summarize(samples);
      const ratio = (median / reference).toFixed(2);
      return [name, digits(median), digits(p10), digits(p90), String(count), ratio];
    }),
  ];
}

/**
 * The cells of the targets' table, its head first.
 *
 * @param {readonly Target[]} targets
 */
export function targetTable(targets) {
  return [
    ['', 'measured', 'target', '', 'limit', 'of the limit'],
    ...targets.map((target) => {
      const times = timesLimit(target);
      return [
        target.what,
        value(target),
        bound(target),
        verdict(target),
        value({ ...target, value: target.limit.value }),
        times === undefined ? '' : `${times.toFixed(2)} x`,
      ];
    }),
  ];
}

/**
 * What the limits are.
 *
 * @param {readonly Target[]} targets
 */
export function limitNotes(targets) {
  /** @type {Map<string, string[]>} */
  const rowsOf = new Map();
  for (const { what, limit } of targets) {
    rowsOf.set(limit.by, [...(rowsOf.get(limit.by) ?? []), what]);
  }
  return [...rowsOf].map(([by, rows]) => `The limit of ${rows.join('; ')} is ${by}.`);
}

/**
 * What the command prints of one group.
 *
 * @param {string} title
 * @param {Result} result
 */
export function groupText(title, { table, charts, targets, notes = [], missing = [] }) {
  const lines = [title, '='.repeat(title.length)];
  if (table) {
    lines.push('', ...columns(table));
  }
  for (const chart of charts) {
    const [head = '', ...rest] = columns(tableOf(chart));
    lines.push('', head, ...rest);
  }
  if (targets.length > 0) {
    lines.push('', ...columns(targetTable(targets)));
  }
  lines.push('', ...[...limitNotes(targets), ...notes].map((note) => `Note: ${note}`));
  lines.push(...missing.map((row) => `Not measured: ${row}`), '');
  return `${lines.join('\n')}\n`;
}

/**
 * What the command prints last.
 *
 * @param {import('./run.mjs').Run['groups']} groups
 */
export function summaryText(groups) {
  const targets = groups.flatMap(({ result }) => result.targets);
  const missing = groups.flatMap(({ name, result }) => {
    const rows = result.missing ?? [];
    return result.targets.length === 0 && rows.length === 0 ? [name] : rows;
  });
  const lines = [
    'All targets',
    '===========',
    ...columns(targetTable(targets)),
    '',
    `${targets.filter(holds).length} of ${targets.length} targets hold`,
    ...missing.map((row) => `Not measured: ${row}`),
  ];
  return `${lines.join('\n')}\n`;
}
