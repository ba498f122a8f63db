import { expect, test } from 'vitest';
import { judgeGroups } from '../../../../lib/preflight/checks/memberships.js';

test.each<[string, number, number[], ReturnType<typeof judgeGroups>]>([
  ['in no group is saved, with an address', 4711, [], undefined],
  ['in no group is saved, without an address', 0, [], undefined],
  ['in group 1 is saved', 4711, [1, 0], undefined],
  ['in group 32 is saved', 4711, [0x8000_0000, 0], undefined],
  ['in a group of 32 at most is saved', 4711, [2], undefined],
  ['that has left its group is saved', 4711, [0, 0], undefined],
  ['in group 33 is refused', 4711, [0, 1], 'many'],
  ['in group 65 is refused', 4711, [0, 0, 1, 0], 'many'],
  ['of a protocol with more than 64 groups is refused in any', 4711, [1, 0, 0, 0], 'many'],
  ['in a group without an address is refused', 0, [1, 0], 'no-port'],
  ['that has left its group without an address is refused', 0, [0, 0], 'no-port'],
])('a netlink socket %s', (_what, port, groups, verdict) => {
  expect(judgeGroups({ port, groups })).toBe(verdict);
});
