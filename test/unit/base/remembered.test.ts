import { expect, test, vi } from 'vitest';
import { remembered } from '../../../lib/base/remembered.js';

test('what was made of a text is the same until the text is another one', () => {
  const parse = vi.fn((text: string) => [text]);
  const parsed = remembered(parse);
  const first = parsed('a');
  expect(parsed('a')).toBe(first);
  expect(parsed('b')).toEqual(['b']);
  expect(parsed('a')).toEqual(['a']);
  expect(parsed('a')).not.toBe(first);
  expect(parse.mock.calls.flat()).toEqual(['a', 'b', 'a']);
});

test('a text that cannot be parsed is tried again', () => {
  let fails = true;
  const parsed = remembered(() => {
    if (fails) throw new Error('not now');
    return 1;
  });
  expect(() => parsed('')).toThrow('not now');
  fails = false;
  expect(parsed('')).toBe(1);
});
