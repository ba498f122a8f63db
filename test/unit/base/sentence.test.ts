import { describe, expect, test } from 'vitest';
import {
  inspected,
  joined,
  option,
  sentence,
  textOf,
  toApi,
  type Words,
} from '../../../lib/base/sentence.js';

const shout: Words = {
  option: (name, value) => `<${name.toUpperCase()}${value === undefined ? '' : ` ${value}`}>`,
  remark: () => '',
};

describe('a sentence in the words of the API', () => {
  test.each([
    [sentence`nothing else`, 'nothing else'],
    ['a plain string: imagePath', 'a plain string: imagePath'],
    [sentence`${'at the start'} and ${7} times`, 'at the start and 7 times'],
    [sentence`of ${option('imagePath')} ${'/a'}`, 'of imagePath /a'],
    [sentence`pass ${option('tls', true)}`, 'pass tls: true'],
    [sentence`pass ${option('tls', false)}`, 'pass tls: false'],
    [sentence`pass ${option('ghostLimit', 5)}`, 'pass ghostLimit: 5'],
    [sentence`pass ${option('existing', 'reuse')}`, "pass existing: 'reuse'"],
    [sentence`pass ${option('external', ['a[b]:c', 'd'])}`, "pass external: ['a[b]:c', 'd']"],
    [sentence`pass ${option('external', ["it's"])}`, 'pass external: ["it\'s"]'],
    [sentence`gone${toApi('; pass a number')}`, 'gone; pass a number'],
    [sentence`a ${sentence`b ${option('tls')}`} c`, 'a b tls c'],
    [sentence`${''}${''}`, ''],
  ])('%#', (said, expected) => {
    expect(textOf(said)).toBe(expected);
  });
});

test('in other words only what is marked changes, and remarks go', () => {
  const said = sentence`tls of ${option('tls')}: pass ${option('tls', true)}${toApi(' in JS')}`;
  expect(textOf(said, shout)).toBe('tls of <TLS>: pass <TLS true>');
  expect(textOf('tls', shout)).toBe('tls');
});

test('a line break of the source is a space, and one of a value stays', () => {
  const said = sentence`one
    two ${'three\n  four'}
    ${option('tls')}
    five`;
  expect(textOf(said)).toBe('one two three\n  four tls five');
});

test('neighbouring texts are one part', () => {
  expect(joined(sentence`a ${'b'} ${3} ${option('tls')}`)).toEqual(['a b 3 ', { option: 'tls' }]);
  expect(joined('text')).toEqual(['text']);
  expect(joined('')).toEqual([]);
});

test.each([
  ['x', "'x' of type string", "'x'"],
  [5, '5 of type number', '5'],
  [undefined, 'undefined', 'undefined'],
  [null, 'null', 'null'],
  [{ a: { b: 1 } }, '{ a: [Object] } of type object', '{ a: [Object] }'],
  ['a\nb', "'a\\nb' of type string", "'a\\nb'"],
])('what was received is shown in one line: %o', (value, inApi, elsewhere) => {
  expect(textOf(inspected(value))).toBe(inApi);
  expect(textOf(inspected(value), shout)).toBe(elsewhere);
});
