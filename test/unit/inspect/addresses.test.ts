import { expect, test } from 'vitest';
import { addressOf, endpoint } from '../../../lib/inspect/addresses.js';

/** An address as the images have it: numbers of 32 bits in the order of the network. */
function wordsOf(...bytes: readonly number[]): number[] {
  const buffer = Buffer.from(bytes);
  return Array.from({ length: bytes.length / 4 }, (_, at) => buffer.readUInt32LE(at * 4));
}

const groups = (...values: readonly number[]): number[] =>
  wordsOf(...values.flatMap((value) => [value >> 8, value & 255]));

test.each([
  [wordsOf(127, 0, 0, 1), '127.0.0.1'],
  [wordsOf(255, 254, 253, 252), '255.254.253.252'],
  [groups(0, 0, 0, 0, 0, 0, 0, 0), '::'],
  [groups(0, 0, 0, 0, 0, 0, 0, 1), '::1'],
  [groups(0xfe80, 0, 0, 0, 1, 0, 0, 2), 'fe80::1:0:0:2'],
  [groups(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0), '2001:db8:1::'],
  [groups(1, 0, 3, 4, 5, 6, 7, 8), '1:0:3:4:5:6:7:8'],
  [groups(1, 2, 3, 4, 5, 6, 0x100, 0x10), '1:2:3:4:5:6:100:10'],
])('%j is %s', (words, text) => {
  expect(addressOf(words)).toBe(text);
});

test('an end has a port, in brackets where colons would confuse, and is none where there is neither', () => {
  expect(endpoint(wordsOf(127, 0, 0, 1), 80)).toBe('127.0.0.1:80');
  expect(endpoint(groups(0, 0, 0, 0, 0, 0, 0, 1), 80)).toBe('[::1]:80');
  expect(endpoint(wordsOf(0, 0, 0, 0), 80)).toBe('0.0.0.0:80');
  expect(endpoint(wordsOf(0, 0, 0, 0), 0)).toBeUndefined();
});
