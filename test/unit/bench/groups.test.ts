import { expect, test } from 'vitest';
import { groups } from '../../../bench/groups.mjs';
import { namesIn, table } from '../../helpers/markdown.js';

test('bench/README.md tells of every group, in the order in which they run', () => {
  expect(namesIn(table('bench/README.md', 'The benchmark'))).toEqual(
    groups.map(({ name }) => name),
  );
});

// The time of a migration is for the most part that of its link. What is run on request takes minutes.
test.each(groups.filter(({ name, onRequest }) => name !== 'migration' && !onRequest))(
  '$name is measured in 20 rounds at least',
  ({ rounds }) => {
    expect(rounds).toBeGreaterThanOrEqual(20);
  },
);
