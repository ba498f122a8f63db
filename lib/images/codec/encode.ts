import { toBinary } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { invalidArgType, invalidArgValue } from '../../base/errors.js';
import { encodeExtra, lengthOf } from './extra.js';
import { base64, checkObject, messageFromJson } from './from-json.js';
import { type Kind, kinds } from './kinds.js';
import { headers, type Part, partsOf, usualHeader } from './parts.js';

/**
 * Encodes an image.
 *
 * @throws TypeError, RangeError
 */
export function encode(json: unknown): Buffer {
  const { magic, entries, header, ...others } = checkObject(json, 'image');
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalidArgValue('image', 'magic, entries and header', unknown);
  if (typeof magic !== 'string') throw invalidArgType('image.magic', 'a string', magic);
  const kind = Object.hasOwn(kinds, magic) ? kinds[magic] : undefined;
  if (kind === undefined) throw invalidArgValue('image.magic', 'a kind of image', magic);
  if (!Array.isArray(entries)) throw invalidArgType('image.entries', 'an array', entries);
  const encoded = entries.map((entry, index) => {
    const path = `image.entries[${index}]`;
    return kind.isGhost && index === 0
      ? encodeGhost(kind, entry, path)
      : encodeEntry(index === 0 ? partsOf(kind).first : partsOf(kind).others, entry, path);
  });
  return Buffer.concat([encodeHeader(kind, header ?? usualHeader(magic)), ...encoded]);
}

function encodeHeader({ magic }: Kind, header: unknown): Buffer {
  const isHeader = typeof header === 'string' && Object.hasOwn(headers, header);
  if (!isHeader) throw invalidArgValue('image.header', Object.keys(headers).join(' or '), header);
  const before = headers[header as keyof typeof headers];
  const numbers = before === undefined ? [magic] : [before, magic];
  return Buffer.from(Uint32Array.from(numbers).buffer);
}

/** The first entry of a removed file, which may have its content. */
function encodeGhost(kind: Kind, json: unknown, path: string): Buffer {
  const { extra, ...head } = checkObject(json, path);
  const content = extra === undefined ? Buffer.alloc(0) : base64(extra, `${path}.extra`);
  return Buffer.concat([encodeEntry(partsOf(kind).first, head, path), content]);
}

/**
 * Encodes an entry.
 *
 * @param path - Where it is, for errors.
 * @throws TypeError, RangeError
 */
export function encodeEntry({ message, extra }: Part, json: unknown, path: string): Buffer {
  const entry = checkObject(json, path);
  if (entry['raw'] !== undefined) return base64(entry['raw'], `${path}.raw`);
  const reflected = reflect(message);
  messageFromJson(reflected, entry, path, extra === undefined ? ['raw'] : ['raw', 'extra']);
  const bytes = Buffer.from(toBinary(message, reflected.message));
  const more = extra && encodeExtra(extra, reflected, entry['extra'], `${path}.extra`);
  return Buffer.concat([lengthOf(bytes), bytes, ...(more === undefined ? [] : [more])]);
}
