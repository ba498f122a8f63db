import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode } from '../../../../lib/images/codec/decode.js';
import { encode } from '../../../../lib/images/codec/encode.js';
import { ImageFault } from '../../../../lib/images/codec/fault.js';
import { kinds } from '../../../../lib/images/codec/kinds.js';
import { anyImage } from '../../../helpers/criu/arbitrary-image.js';

const numRuns = 40;
const names = Object.keys(kinds);

/** The JSON that a program gets which reads it. */
const asText = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('any image of the kind', () => {
  test.each(names)('%s is the same again as JSON', (magic) => {
    void fc.assert(
      fc.property(anyImage(magic), (image) => {
        const file = encode(asText(image));
        expect(asText(decode(file))).toEqual(asText(image));
        expect(encode(asText(decode(file))).equals(file)).toBe(true);
      }),
      { numRuns },
    );
  });

  test.each(names)('%s is refused with a sentence when it is cut short or changed', (magic) => {
    const damage = fc.record({ at: fc.nat(), bit: fc.nat(7), isCut: fc.boolean() });
    void fc.assert(
      fc.property(anyImage(magic), damage, (image, { at, bit, isCut }) => {
        const file = encode(image);
        const place = at % file.length;
        const damaged = isCut ? file.subarray(0, place) : Buffer.from(file);
        if (!isCut) damaged[place] = (damaged[place] ?? 0) ^ (1 << bit);
        try {
          expect(encode(asText(decode(damaged))).equals(damaged)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageFault);
          expect((error as Error).message).toMatch(
            /^(?:it|its \w+(?: \d+)?|a message in it) \S.*[^.]$/,
          );
        }
      }),
      { numRuns },
    );
  });
});

/** An image of one task whose fields are given as bytes. */
function pstree(...message: number[]): Buffer {
  const file = Buffer.from(encode({ magic: 'PSTREE', entries: [] }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(message.length);
  return Buffer.concat([file, length, Buffer.from(message)]);
}

const task = [0x08, 1, 0x10, 0, 0x18, 1, 0x20, 1];
const fields = { pid: 1, ppid: 0, pgid: 1, sid: 1 };

describe('what the fields do not tell is kept beside them', () => {
  test.each([
    ['a field that a newer CRIU writes', [...task, 0x78, 5]],
    ['a number that is written longer than it need be', [0x08, 0x81, 0, ...task.slice(2)]],
    ['fields in another order', [...task.slice(2), ...task.slice(0, 2)]],
    ['a field twice', [0x08, 7, ...task]],
  ])('%s', (_, message) => {
    const file = pstree(...message);
    const { entries } = decode(file);
    expect(entries).toEqual([{ ...fields, raw: file.subarray(8).toString('base64') }]);
    expect(encode(decode(file)).equals(file)).toBe(true);
  });

  test('a name that is not in UTF-8', () => {
    const file = encode({ magic: 'UTSNS', entries: [{ nodename: 'host', domainname: 'a' }] });
    file.writeUInt8(0xff, file.indexOf('host'));
    expect(decode(file).entries[0]).toHaveProperty('raw');
    expect(encode(decode(file)).equals(file)).toBe(true);
  });

  test('padding that is not empty', () => {
    const desc = { key: 0, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0, id: 0 };
    const file = encode({ magic: 'IPCNS_SEM', entries: [{ desc, nsems: 1, extra: [7] }] });
    file.writeUInt8(1, file.length - 1);
    expect(decode(file).entries[0]).toMatchObject({ extra: [7], raw: expect.any(String) });
    expect(encode(decode(file)).equals(file)).toBe(true);
  });
});

test.each(['none', 'service'] as const)('a header of the kind %s stays as it is', (header) => {
  const file = encode({ magic: 'PSTREE', entries: [fields], header });
  expect(decode(file)).toEqual({ magic: 'PSTREE', entries: [fields], header });
});

test('crit encodes numbers as text, and bytes in several lines', () => {
  const image = { magic: 'PSTREE', entries: [{ ...fields, pid: '0x10' }] };
  expect(decode(encode(image)).entries[0]).toMatchObject({ pid: 16 });
  const data = { tty_id: 1, data: 'YWJj\nZGVm\n' };
  expect(decode(encode({ magic: 'TTY_DATA', entries: [data] })).entries[0]).toMatchObject({
    data: 'YWJjZGVm',
  });
});

describe('an object of which no image can be made is refused with its place', () => {
  test.each([
    [undefined, 'image', 'TypeError'],
    [{ magic: 'NONE', entries: [] }, 'image.magic', 'RangeError'],
    [{ magic: 'constructor', entries: [] }, 'image.magic', 'RangeError'],
    [{ magic: 'PSTREE', entries: {} }, 'image.entries', 'TypeError'],
    [{ magic: 'PSTREE', entries: [], more: 1 }, 'image', 'RangeError'],
    [{ magic: 'PSTREE', entries: [null] }, 'image.entries[0]', 'TypeError'],
    [{ magic: 'PSTREE', entries: [{ ...fields, pid: -1 }] }, 'image.entries[0].pid', 'RangeError'],
    [{ magic: 'PSTREE', entries: [{ ...fields, pid: '1x' }] }, 'image.entries[0].pid', 'TypeError'],
    [{ magic: 'PSTREE', entries: [{ ...fields, other: 1 }] }, 'image.entries[0]', 'RangeError'],
    [{ magic: 'PSTREE', entries: [{ pid: 1 }] }, 'image.entries[0]', 'RangeError'],
    [
      { magic: 'PSTREE', entries: [{ ...fields, threads: [1, 'a'] }] },
      'image.entries[0].threads[1]',
      'TypeError',
    ],
    [
      { magic: 'SK_QUEUES', entries: [{ id_for: 1, length: 3, extra: 'YQ==' }] },
      'image.entries[0].extra',
      'RangeError',
    ],
  ])('%j', (image, option, name) => {
    const attempt = (): Buffer => encode(image);
    expect(attempt).toThrow(expect.objectContaining({ option, name }));
  });
});

test.each([
  ['', 'it is cut short'],
  ['\0\0\0', 'it is cut short'],
  ['{ "json": true }', 'it is no image of a kind that is known'],
])('what is no image is refused: %j', (text, message) => {
  expect(() => decode(Buffer.from(text))).toThrow(new ImageFault(message));
});

test('an image does not hide what Object has', () => {
  expect(Object.keys(kinds).filter((name) => name in {})).toEqual([]);
});
