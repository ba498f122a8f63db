import { refuseArchive, refuseCutShort, refuseMember } from './fault.js';

/** What a member is, as tar has it. */
export type TarType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'link'
  | 'fifo'
  | 'character device'
  | 'block device';

/** A header block, with what extended headers have changed of it. */
export interface TarHeader {
  /** One character for each byte, as latin1 has. */
  name: string;
  /** The target of a link, in the same form. */
  link: string;
  /** The letter of the type. */
  flag: string;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  /** In seconds. */
  mtime: number;
  /** Extended attributes by their names. */
  attributes: ReadonlyMap<string, Buffer>;
}

/** The size of a block. */
export const blockSize: number = 512;

const types: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'fifo',
};

/** What a member is; refuses a type that is none of ours, as a sparse file. */
export function typeOf({ flag, name }: TarHeader): TarType {
  // In archives older than the letter for directories the name tells.
  if ((flag === '0' || flag === '\0') && name.endsWith('/')) return 'directory';
  const type = types[flag];
  if (type !== undefined) return type;
  const what = flag === 'S' ? 'is a sparse file' : `has the unknown type ${JSON.stringify(flag)}`;
  return refuseMember(name, what);
}

/** Reads a header block whose bytes are not all zero. */
export function parseHeader(block: Buffer): TarHeader {
  if (block.length < blockSize) refuseCutShort();
  const recorded = octalAt(block, 148, 8);
  if (recorded !== checksum(block)) {
    refuseArchive('a header in it is damaged, or it is no tar archive');
  }
  // GNU has other things where POSIX has the directory.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const directory = isPosix ? textAt(block, 345, 155) : '';
  const name = textAt(block, 0, 100);
  return {
    name: directory === '' ? name : `${directory}/${name}`,
    link: textAt(block, 157, 100),
    flag: block.toString('latin1', 156, 157),
    size: numberAt(block, 124, 12),
    mode: numberAt(block, 100, 8) & 0o7777,
    uid: owner(numberAt(block, 108, 8)),
    gid: owner(numberAt(block, 116, 8)),
    mtime: time(numberAt(block, 136, 12, true)),
    attributes: new Map(),
  };
}

/** The sum of all bytes, where those of the sum itself count as blanks. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockSize; at += 1) {
    // A loop over the entries takes ten times as long, and there can be a million headers.
    if (at < 148 || at >= 156) sum += block[at] ?? 0;
  }
  return sum;
}

function textAt(block: Buffer, start: number, length: number): string {
  const text = block.toString('latin1', start, start + length);
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}

/** A number in octal digits, or, where it would be too large for them, in binary. */
function numberAt(block: Buffer, start: number, length: number, mayBeNegative = false): number {
  const field = block.subarray(start, start + length);
  const [first = 0] = field;
  if ((first & 0x80) !== 0) return binaryNumber(field, mayBeNegative);
  return requireNumber(octalAt(block, start, length));
}

/** NaN for what is no number in octal digits. */
function octalAt(block: Buffer, start: number, length: number): number {
  const field = block.toString('latin1', start, start + length);
  const digits = /^[ \0]*([0-7]*)(?:[ \0]|$)/.exec(field)?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits || '0', 8);
}

function binaryNumber(field: Buffer, mayBeNegative: boolean): number {
  const bits = BigInt(field.length * 8 - 1);
  const value = BigInt(`0x${field.toString('hex')}`) & ((1n << bits) - 1n);
  const isNegative = value >> (bits - 1n) === 1n;
  if (isNegative && !mayBeNegative) refuseArchive('a number in a header of it is negative');
  return requireNumber(Number(isNegative ? value - (1n << bits) : value));
}

function requireNumber(number: number): number {
  if (!Number.isSafeInteger(number)) refuseArchive('a number in a header of it cannot be read');
  return number;
}

/** The records of an extended header of POSIX (pax): lines of a length, a key and a value. */
export function parseRecords(content: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < content.length; ) {
    const blank = content.indexOf(0x20, at);
    const digits = blank === -1 ? '' : content.toString('latin1', at, blank);
    const end = /^[1-9]\d{0,8}$/.test(digits) ? at + Number(digits) : Number.NaN;
    const equals = content.indexOf(0x3d, blank + 1);
    if (!(end <= content.length) || equals === -1 || equals >= end || content[end - 1] !== 0x0a) {
      refuseArchive('an extended header in it is damaged');
    }
    const key = content.toString('latin1', blank + 1, equals);
    if (records.has(key)) refuseArchive('an extended header in it says the same thing twice');
    records.set(key, content.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

const attributePrefix = 'SCHILY.xattr.';

/** A header with what an extended header of POSIX says in its place. */
export function withRecords(header: TarHeader, records: ReadonlyMap<string, Buffer>): TarHeader {
  const text = (key: string): string | undefined => records.get(key)?.toString('latin1');
  const attributes = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith('GNU.sparse.')) refuseMember(header.name, 'is a sparse file');
    if (key.startsWith(attributePrefix)) attributes.set(key.slice(attributePrefix.length), value);
  }
  return {
    ...header,
    name: text('path') ?? header.name,
    link: text('linkpath') ?? header.link,
    size: decimal(text('size')) ?? header.size,
    uid: owner(decimal(text('uid')) ?? header.uid),
    gid: owner(decimal(text('gid')) ?? header.gid),
    mtime: seconds(text('mtime')) ?? header.mtime,
    attributes,
  };
}

function decimal(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return requireNumber(/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN);
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,15}(?:\.\d*)?$/.test(text))
    refuseArchive('a time in an extended header cannot be read');
  return time(Number(text));
}

/** A number of a user or group. The highest one means none. */
function owner(number: number): number {
  if (number >= 0xffff_ffff) refuseArchive(`${number} in it is no number of a user or group`);
  return number;
}

/** Seconds that a file system can keep. */
function time(number: number): number {
  return Math.min(Math.max(number, -(2 ** 31)), 2 ** 33);
}
