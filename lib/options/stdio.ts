import { fstatSync } from 'node:fs';
import { inspect } from 'node:util';
import { invalidArgType, invalidArgValue } from '../base/errors.js';

const words = ['pipe', 'inherit', 'ignore'] as const;
type Word = (typeof words)[number];

/**
 * A standard stream of a clone: a pipe to this process, this process's own, /dev/null, or an open
 * descriptor. Null, or nothing, leaves what the images have.
 */
export type CloneStream = Word | number | null | undefined;

/** The standard streams of a clone; one word is for all of them. */
export type CloneStdio = Word | readonly CloneStream[];

/** Each standard stream that does not stay what the images have, and its number. */
export type CheckedStdio = readonly { readonly fd: number; readonly from: Word | number }[];

/** Checks the option `stdio`. */
export function checkStdio(name: string, value: unknown): CheckedStdio {
  const list = typeof value === 'string' ? [value, value, value] : value;
  const all = `${words.map((word) => inspect(word)).join(', ')}, or an array of these`;
  if (!Array.isArray(list)) throw invalidArgType(name, all, value);
  if (list.length > 3) throw invalidArgValue(name, 'at most three streams', value);
  return Array.from(list, (stream: unknown, fd) => ({ fd, stream })).flatMap(({ fd, stream }) =>
    stream === undefined || stream === null
      ? []
      : { fd, from: checkStream(typeof value === 'string' ? name : `${name}[${fd}]`, stream) },
  );
}

function checkStream(name: string, stream: unknown): Word | number {
  const expected = `${words.map((word) => inspect(word)).join(', ')} or an open descriptor`;
  if (typeof stream === 'string') {
    const known = words.find((word) => word === stream);
    if (known === undefined) throw invalidArgValue(name, expected, stream);
    return known;
  }
  if (typeof stream !== 'number') throw invalidArgType(name, expected, stream);
  if (!Number.isInteger(stream) || stream < 0 || stream > 0x7fff_ffff) {
    throw invalidArgValue(name, expected, stream);
  }
  try {
    fstatSync(stream);
  } catch {
    throw invalidArgValue(name, expected, stream, 'it is not open');
  }
  return stream + 0;
}
