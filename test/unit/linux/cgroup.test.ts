import { expect, test } from 'vitest';
import { isInCgroupMount } from '../../../lib/linux/cgroup.js';
import { parseMountinfo } from '../../../lib/linux/mountinfo.js';

test.each([
  ['/sys/fs/cgroup/cpu/a', true],
  ['/sys/fs/cgroup/cpu', false],
  ['/sys/fs/cgroup/cpu2/a', false],
  ['/sys/fs/cgroup', false],
  ['/', false],
])('isInCgroupMount says %s: %s', (path, expected) => {
  const mounts = parseMountinfo('41 21 0:36 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu');
  expect(isInCgroupMount(path, mounts)).toBe(expected);
});
