import { expect, test } from 'vitest';
import { Decoder, encode, kinds } from '../../../lib/channel/frames.js';

const values = ['', 'text', { list: [1, undefined, null] }, Buffer.alloc(3000, 1), new Date(0)];

test.each([1, 2, 3, 4, 5, 6, 7, 100, 100_000])(
  'frames come together from parts of %i bytes',
  (size) => {
    const bytes = Buffer.concat(values.flatMap((value) => encode(kinds.task, value)));
    const decoder = new Decoder();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size) {
      frames.push(...decoder.push(bytes.subarray(at, at + size)));
    }
    expect(frames.map(({ kind }) => kind)).toEqual(values.map(() => kinds.task));
    expect(frames.map(({ value }) => value)).toEqual(values);
  },
);

test('a length that nobody of ours sends is refused before anything is kept for it', () => {
  const header = Buffer.from([0xff, 0xff, 0xff, 0xff, kinds.message]);
  expect(() => new Decoder().push(header)).toThrow('4294967295 bytes is too large');
});

test('a content that was not serialized is refused', () => {
  const bytes = Buffer.from([3, 0, 0, 0, kinds.message, 1, 2, 3]);
  expect(() => new Decoder().push(bytes)).toThrow();
});
