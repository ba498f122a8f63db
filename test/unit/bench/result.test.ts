import { describe, expect, test } from 'vitest';
import {
  faultsOf,
  holds,
  ratio,
  roundsRatio,
  type Target,
  timesLimit,
} from '../../../bench/lib/result.mjs';
import { groupText, limitNotes, summaryText, targetTable } from '../../../bench/report/text.mjs';

const by = 'libcriu in C';
const ours = [10, 12, 30];
const theirs = [100, 120, 140];

describe('a ratio', () => {
  test('is that of the medians, and its limit that of the same others', () => {
    const target = ratio('a', ours, theirs, { atMost: 0.2 }, { samples: [6, 60, 3], by });
    expect(target).toEqual({
      what: 'a',
      value: 0.1,
      unit: 'x',
      atMost: 0.2,
      limit: { value: 0.05, by },
    });
    expect(timesLimit(target)).toBe(2);
  });

  test('of rounds has a limit that was measured in fewer of them', () => {
    const target = roundsRatio('a', ours, theirs, { atMost: 0.2 }, { samples: [6], by });
    expect(target.value).toBe(0.1);
    expect(target.limit).toEqual({ value: 0.05, by });
  });
});

/** A row of what is measured, with what it could be. */
function row(value: number, limit: number, bound: Pick<Target, 'atMost' | 'atLeast'>): Target {
  return { what: 'row', value, unit: 'x', ...bound, limit: { value: limit, by } };
}

test.each([
  ['a time that holds', row(0.1, 0.05, { atMost: 0.2 }), 'holds'],
  ['a time that could hold', row(0.3, 0.1, { atMost: 0.2 }), 'misses'],
  ['a time that could not', row(0.3, 0.25, { atMost: 0.2 }), 'misses, as the limit does'],
  ['a throughput that holds', row(0.9, 1, { atLeast: 0.9 }), 'holds'],
  ['a throughput that could hold', row(0.8, 1, { atLeast: 0.9 }), 'misses'],
  ['a throughput that could not', row(0.8, 0.85, { atLeast: 0.9 }), 'misses, as the limit does'],
])('%s is shown with what its limit does', (_, target, verdict) => {
  expect(holds(target)).toBe(verdict === 'holds');
  const [head = [], cells = []] = targetTable([target]);
  expect(cells).toHaveLength(head.length);
  expect(cells[3]).toBe(verdict);
});

test.each<[string, Partial<Target>, string[]]>([
  ['whole', row(0.1, 0.05, { atMost: 0.2 }), []],
  ['with a throughput', row(0.1, 0.05, { atLeast: 0.2 }), []],
  ['with a limit of nothing', row(0.1, 0, { atMost: 0.2 }), []],
  ['without a target', row(0.1, 0.05, {}), ['row: no target']],
  ['with two targets', row(0.1, 0.05, { atMost: 0.2, atLeast: 0.1 }), ['row: no target']],
  ['without a limit', { what: 'row', value: 0.1, atMost: 0.2 }, ['row: no limit']],
  ['with a limit that was not measured', row(0.1, Number.NaN, { atMost: 0.2 }), ['row: no limit']],
  [
    'without samples',
    row(Number.NaN, Number.NaN, {}),
    ['row: no figure', 'row: no target', 'row: no limit'],
  ],
])('a row %s has the faults that it has', (_, target, faults) => {
  expect(faultsOf([target])).toEqual(faults);
});

test('a limit of nothing has no multiple', () => {
  const target: Target = { what: 'a', value: 2, unit: '', atMost: 0, limit: { value: 0, by } };
  expect(timesLimit(target)).toBeUndefined();
  expect(targetTable([target])[1]).toEqual(['a', '2', 'at most 0', 'misses', '0', '']);
});

test('a limit is told once for all of its rows', () => {
  const targets = [
    ratio('a', ours, theirs, { atMost: 1 }, { samples: [1], by }),
    ratio('b', ours, theirs, { atMost: 1 }, { samples: [1], by: 'write()' }),
    ratio('c', ours, theirs, { atMost: 1 }, { samples: [1], by }),
  ];
  expect(limitNotes(targets)).toEqual([
    'The limit of a; c is libcriu in C.',
    'The limit of b is write().',
  ]);
  const text = groupText('title', { charts: [], targets, notes: ['more'] });
  expect(text).toContain('Note: The limit of b is write().\nNote: more\n');
});

test('the summary counts rows and not the head of their table', () => {
  const result = { charts: [], targets: [row(0.1, 0.05, { atMost: 0.2 })] };
  const empty = { charts: [], targets: [] };
  const text = summaryText([
    { name: 'one', title: 'One', result },
    { name: 'two', title: 'Two', result: empty },
  ]);
  expect(text).toContain('1 of 1 targets hold');
  expect(text).toContain('Not measured: two');
});

test('a row that cannot be measured here is named with the reason, in its group and at the end', () => {
  const missing = ['container of docker: dockerd is not installed'];
  const result = { charts: [], targets: [row(0.1, 0.05, { atMost: 0.2 })], missing };
  const line = 'Not measured: container of docker: dockerd is not installed\n';
  expect(groupText('title', result)).toContain(line);
  expect(summaryText([{ name: 'engines', title: 'Engines', result }])).toContain(line);
});
