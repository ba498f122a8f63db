import { Cursor } from './cursor.js';
import { encodeEntry } from './encode.js';
import { decodeExtra } from './extra.js';
import { refuseImage } from './fault.js';
import { commonMagic, type Kind, kinds, serviceMagic } from './kinds.js';
import { parse } from './parse.js';
import { type Part, partsOf, usualHeader } from './parts.js';
import { messageToJson } from './to-json.js';
import type { DecodedImage, ImageEntry, ImageHeader, ImageValue } from './types.js';

/**
 * Decodes the content of an image.
 *
 * @throws ImageFault
 */
export function decode(file: Uint8Array): DecodedImage {
  const cursor = new Cursor(file);
  const { magic, kind, header } = readHeader(cursor);
  const entries = kind.isGhost ? decodeGhost(kind, cursor) : decodeEntries(kind, cursor);
  const usual = usualHeader(magic);
  return { magic, entries, ...(header === usual ? {} : { header }) };
}

function readHeader(cursor: Cursor): { magic: string; kind: Kind; header: ImageHeader } {
  const first = cursor.uint32();
  const isBare = first !== commonMagic && first !== serviceMagic;
  const number = isBare ? first : cursor.uint32();
  const found = Object.entries(kinds).find(([, kind]) => kind.magic === number);
  if (found === undefined) refuseImage('it is no image of a kind that is known');
  const [magic, kind] = found;
  const header = isBare ? 'none' : first === commonMagic ? 'common' : 'service';
  return { magic, kind, header };
}

function decodeEntries(kind: Kind, cursor: Cursor): ImageEntry[] {
  const { first, others } = partsOf(kind);
  const entries: ImageEntry[] = [];
  while (!cursor.isAtEnd) {
    entries.push(decodeEntry(entries.length === 0 ? first : others, cursor, entries.length));
  }
  return entries;
}

/** A removed file: one entry and its content, or entries for the parts of it that are no holes. */
function decodeGhost(kind: Kind, cursor: Cursor): ImageEntry[] {
  const { first, others } = partsOf(kind);
  if (cursor.isAtEnd) return [];
  const head = decodeEntry(first, cursor, 0);
  if (head['chunks'] !== true) {
    return [{ ...head, extra: Buffer.from(cursor.rest()).toString('base64') }];
  }
  const entries = [head];
  while (!cursor.isAtEnd) entries.push(decodeEntry(others, cursor, entries.length));
  return entries;
}

function decodeEntry({ message, extra }: Part, cursor: Cursor, index: number): ImageEntry {
  const start = cursor.at;
  const json: Record<string, ImageValue> = {};
  const bytes = cursor.take(cursor.uint32());
  const reflected = parse(message, bytes, `its entry ${index}`);
  Object.assign(json, messageToJson(reflected));
  const more = extra === undefined ? undefined : decodeExtra(extra, reflected, cursor);
  if (more !== undefined) json['extra'] = more;
  const whole = Buffer.from(cursor.bytes.subarray(start, cursor.at));
  if (!isToldBy(json, whole, { message, extra })) json['raw'] = whole.toString('base64');
  return json;
}

/** Whether the same bytes come of the fields. */
function isToldBy(json: ImageEntry, whole: Buffer, part: Part): boolean {
  try {
    return encodeEntry(part, json, 'entry').equals(whole);
  } catch {
    return false;
  }
}
