import { expect, test } from 'vitest';
import { doubtful } from '../../../scripts/release/licences.mjs';

test.each([
  ['one that is good', [{ license: { id: 'MIT' } }], []],
  ['several that are', [{ expression: '(Apache-2.0 AND BSD-3-Clause)' }], []],
  ['one of several that is not', [{ expression: '(MIT OR GPL-3.0-only)' }], ['GPL-3.0-only']],
  ['an exception to one', [{ expression: 'GPL-2.0 WITH X' }], ['GPL-2.0 WITH X']],
  ['one by its name', [{ license: { name: 'Our own' } }], ['Our own']],
  ['none at all', [], ['none']],
])('of licences, %s', (_, licences, expected) => {
  expect(doubtful(licences)).toEqual(expected);
});
