import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as fc from 'fast-check';

/** Real inputs of a reader, in the order of their names. */
export function readCorpus(name: string): Buffer[] {
  const directory = resolve(import.meta.dirname, 'corpus', name);
  return readdirSync(directory)
    .sort()
    .map((file) => readFileSync(resolve(directory, file)));
}

/** What readers of texts tend to stumble over. */
const words = [
  '',
  '\0',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  '"',
  '\\',
  '(',
  ')',
  '-1',
  '0',
  '18446744073709551616',
  `${'9'.repeat(400)}`,
  '1e999',
  '0x',
  'null',
  '{}',
  '[]',
  '__proto__',
  'constructor',
  '..',
  '/../',
  '\u2028',
  '\ud800',
  'ÿ',
  '\\040',
] as const;

/** What is done to an input, at a place of it that is a part of its length. */
type Edit = (input: Buffer, at: number) => Buffer;

const place = fc.double({ min: 0, max: 1, noNaN: true });

const bytes = fc.oneof(
  fc.constantFrom(...words).map((word) => Buffer.from(word)),
  fc.uint8Array({ maxLength: 16 }).map((array) => Buffer.from(array)),
);

/** What a number or a string of a text becomes: another one, or something else. */
const value = fc.oneof(
  fc.constantFrom(...words),
  fc.integer().map(String),
  fc.constantFrom('""', '"/"', '"../a"', '"\\u0000"', '[null]', '{"a":1}', 'true', '1.5'),
);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.nat(64).map(
      (length): Edit =>
        (input, at) =>
          splice(input, at, length, Buffer.alloc(0)),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.record({ inserted: bytes, replaces: fc.boolean() }).map(
      ({ inserted, replaces }): Edit =>
        (input, at) =>
          splice(input, at, replaces ? inserted.length : 0, inserted),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.record({ pattern: fc.constantFrom(/\d+/g, /"[^"]*"/g), other: value }).map(
      ({ pattern, other }): Edit =>
        (input, at) =>
          replaceNext(input, at, pattern, other),
    ),
  },
  // A part stands there so often that quadratic time shows.
  {
    weight: 1,
    arbitrary: fc.record({ length: fc.nat(64), times: fc.nat(1000) }).map(
      ({ length, times }): Edit =>
        (input, at) => {
          const part = input.subarray(at, at + length);
          return splice(input, at, 0, Buffer.concat(new Array<Buffer>(times).fill(part)));
        },
    ),
  },
);

/** Puts something in the place of the first thing of a kind behind a place. */
function replaceNext(input: Buffer, at: number, pattern: RegExp, other: string): Buffer {
  const text = input.toString('latin1');
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  if (found === null) return input;
  return splice(input, found.index, found[0].length, Buffer.from(other));
}

function splice(input: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), inserted, input.subarray(at + removed)]);
}

/** Inputs that are made of the real ones by a few edits, and some that are made of nothing. */
export function mutations(corpus: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const edited = fc
    .record({
      seed: fc.constantFrom(...corpus),
      edits: fc.array(fc.tuple(place, edit), { maxLength: 6 }),
    })
    .map(({ seed, edits }) =>
      edits.reduce((input, [part, change]) => change(input, Math.floor(part * input.length)), seed),
    );
  const raw = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ arbitrary: edited, weight: 15 }, { arbitrary: raw, weight: 1 });
}
