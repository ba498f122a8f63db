import { type Bytes, PartBytes, readUpTo } from './bytes.js';
import { refuseArchive, refuseCutShort } from './fault.js';
import type { Count } from './limits.js';
import {
  blockSize,
  parseHeader,
  parseRecords,
  type TarHeader,
  type TarType,
  typeOf,
  withRecords,
} from './tar-header.js';

/** A member of a tar archive. */
export interface TarMember extends Omit<TarHeader, 'flag'> {
  readonly type: TarType;
  /** What it holds, which can be read until the next member is asked for. */
  readonly content: Bytes;
}

/** A name has 4096 bytes at most, and extended attributes 64 KiB each. */
const maxExtendedBytes = 2 ** 20;

/** What the headers before a member have said of it. */
interface Extended {
  records?: ReadonlyMap<string, Buffer>;
  name?: string;
  link?: string;
}

const none: Extended = {};

/**
 * Reads a tar archive member by member, as POSIX and GNU have it. It is stricter than the programs that
 * mend what they read, because whoever made the archive may not have meant well: it must be whole up to
 * the blocks of zeros at its end, and say nothing twice.
 *
 * @param bytes - The archive, decompressed.
 */
export async function* readTar(bytes: Bytes, count: Count): AsyncGenerator<TarMember> {
  let extended = none;
  for (;;) {
    const block = await readUpTo(bytes, blockSize);
    if (isZero(block)) {
      if (block.length < blockSize) refuseCutShort();
      if (extended !== none) refuseArchive('an extended header in it has no member');
      return await readEnd(bytes, count);
    }
    const header = parseHeader(block);
    const isExtended = 'xgLK'.includes(header.flag);
    const full = isExtended ? header : complete(header, extended);
    count.member(full.size);
    count.name(full.name.length + full.link.length);
    const content = new PartBytes(bytes, full.size, () => count.check());
    if (isExtended) extended = await extend(extended, full, content, count);
    else {
      yield member(full, content);
      extended = none;
    }
    await content.finish();
    await skipPadding(bytes, full.size);
  }
}

/** A member as its headers have it together. */
function complete(header: TarHeader, { records, name, link }: Extended): TarHeader {
  const named = { ...header, name: name ?? header.name, link: link ?? header.link };
  return records === undefined ? named : withRecords(named, records);
}

function member(header: TarHeader, content: Bytes): TarMember {
  const { flag: _, ...rest } = header;
  const type = typeOf(header);
  if (type !== 'file' && header.size > 0) refuseArchive(`a ${type} in it has content`);
  return { ...rest, type, content };
}

async function extend(
  extended: Extended,
  { flag, size }: TarHeader,
  content: Bytes,
  count: Count,
): Promise<Extended> {
  if (size > maxExtendedBytes) refuseArchive(`an extended header in it has ${size} bytes`);
  const bytes = await readUpTo(content, size);
  count.name(bytes.length);
  switch (flag) {
    case 'x':
      requireNew(extended.records);
      return { ...extended, records: parseRecords(bytes) };
    case 'g':
      requireComment(parseRecords(bytes));
      return extended;
    case 'L':
      requireNew(extended.name);
      return { ...extended, name: untilNul(bytes) };
    default:
      requireNew(extended.link);
      return { ...extended, link: untilNul(bytes) };
  }
}

function requireNew(former: unknown): void {
  if (former !== undefined) refuseArchive('a member of it has the same extended header twice');
}

/** A header for all that comes after it could change any member, and engines write none. */
function requireComment(records: ReadonlyMap<string, Buffer>): void {
  for (const key of records.keys()) {
    if (key !== 'comment')
      refuseArchive('a header in it is for all members, which no engine writes');
  }
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
}

async function skipPadding(bytes: Bytes, size: number): Promise<void> {
  const padding = (blockSize - (size % blockSize)) % blockSize;
  if ((await bytes.skip(padding)) < padding) refuseCutShort();
}

/** Behind the first block of zeros there is a second one, and then nothing but zeros. */
async function readEnd(bytes: Bytes, count: Count): Promise<void> {
  const second = await readUpTo(bytes, blockSize);
  if (second.length < blockSize) refuseCutShort();
  for (let block = second; block.length > 0; block = await readUpTo(bytes, blockSize)) {
    if (!isZero(block)) refuseArchive('there is something behind its end');
    count.check();
  }
}

const zeros = Buffer.alloc(blockSize);

function isZero(block: Buffer): boolean {
  return block.equals(block.length === blockSize ? zeros : zeros.subarray(0, block.length));
}
