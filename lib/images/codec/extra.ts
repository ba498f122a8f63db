import { toBinary } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { invalidArgType, invalidArgValue } from '../../base/errors.js';
import type { Cursor } from './cursor.js';
import { refuseImage } from './fault.js';
import { base64, messageFromJson } from './from-json.js';
import type { Extra } from './kinds.js';
import { parse } from './parse.js';
import { messageNamed } from './registry.js';
import { messageToJson } from './to-json.js';
import type { ImageValue } from './types.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Reads what follows a message; undefined where nothing does. */
export function decodeExtra(
  extra: Extra,
  message: ReflectMessage,
  cursor: Cursor,
): ImageValue | undefined {
  switch (extra.kind) {
    case 'bytes':
      return text(cursor.take(total(message, extra.lengths)));
    case 'queues':
      return {
        inq: text(cursor.take(numberIn(message, 'inq_len'))),
        outq: text(cursor.take(numberIn(message, 'outq_len'))),
      };
    case 'segment':
      return isInPagemaps(message) ? undefined : text(takePadded(cursor, segmentSize(message), 4));
    case 'semaphores':
      return decodeSemaphores(message, cursor);
    case 'messages':
      return decodeMessages(message, cursor);
  }
}

/**
 * Writes what follows a message.
 *
 * @param path - Where it is, for errors: `image.entries[0].extra`.
 * @throws TypeError, RangeError
 */
export function encodeExtra(
  extra: Extra,
  message: ReflectMessage,
  json: unknown,
  path: string,
): Buffer {
  switch (extra.kind) {
    case 'bytes':
      return sized(json ?? '', total(message, extra.lengths), path);
    case 'queues': {
      const { inq, outq } = (json ?? { inq: '', outq: '' }) as Record<string, unknown>;
      return Buffer.concat([
        sized(inq, numberIn(message, 'inq_len'), `${path}.inq`),
        sized(outq, numberIn(message, 'outq_len'), `${path}.outq`),
      ]);
    }
    case 'segment':
      if (isInPagemaps(message)) return sized(json ?? '', 0, path);
      return padded(sized(json ?? '', segmentSize(message), path), 4);
    case 'semaphores':
      return encodeSemaphores(message, json, path);
    case 'messages':
      return encodeMessages(message, json, path);
  }
}

function decodeSemaphores(message: ReflectMessage, cursor: Cursor): number[] {
  const count = numberIn(message, 'nsems');
  const bytes = takePadded(cursor, count * 2, 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => view.getUint16(index * 2, true));
}

function encodeSemaphores(message: ReflectMessage, json: unknown, path: string): Buffer {
  if (!Array.isArray(json)) throw invalidArgType(path, 'an array', json);
  const count = numberIn(message, 'nsems');
  if (json.length !== count) throw invalidArgValue(path, `${count} numbers`, json);
  const bytes = Buffer.alloc(count * 2);
  for (const [index, value] of json.entries()) {
    const isValue = Number.isInteger(value) && value >= 0 && value < 2 ** 16;
    if (!isValue) throw invalidArgValue(`${path}[${index}]`, 'an integer of 16 bits', value);
    bytes.writeUInt16LE(value, index * 2);
  }
  return padded(bytes, 8);
}

/** A message and its text, one after the other. */
function decodeMessages(message: ReflectMessage, cursor: Cursor): ImageValue[] {
  const values: ImageValue[] = [];
  for (let count = numberIn(message, 'qnum'); count > 0; count--) {
    const desc = messageNamed('ipc_msg');
    const one = parse(desc, cursor.take(cursor.uint32()), 'a message in it');
    values.push(messageToJson(one), text(takePadded(cursor, numberIn(one, 'msize'), 8)));
  }
  return values;
}

function encodeMessages(message: ReflectMessage, json: unknown, path: string): Buffer {
  if (!Array.isArray(json)) throw invalidArgType(path, 'an array', json);
  const count = numberIn(message, 'qnum') * 2;
  if (json.length !== count) throw invalidArgValue(path, `${count} elements`, json);
  const parts: Buffer[] = [];
  for (let index = 0; index < count; index += 2) {
    const desc = messageNamed('ipc_msg');
    const one = reflect(desc);
    messageFromJson(one, json[index], `${path}[${index}]`);
    const bytes = Buffer.from(toBinary(desc, one.message));
    const content = sized(json[index + 1], numberIn(one, 'msize'), `${path}[${index + 1}]`);
    parts.push(lengthOf(bytes), bytes, padded(content, 8));
  }
  return Buffer.concat(parts);
}

/** The length of a message, which stands before it. */
export function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return length;
}

/** Bytes in base64, which have to be as many as the message says. */
function sized(json: unknown, size: number, path: string): Buffer {
  const bytes = base64(json, path);
  if (bytes.length === size) return bytes;
  throw invalidArgValue(path, `${size} bytes in base64, as the entry says`, json);
}

function takePadded(cursor: Cursor, size: number, unit: number): Uint8Array {
  const bytes = cursor.take(size);
  cursor.take(padding(size, unit));
  return bytes;
}

function padded(bytes: Buffer, unit: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padding(bytes.length, unit))]);
}

function padding(size: number, unit: number): number {
  return (unit - (size % unit)) % unit;
}

function total(message: ReflectMessage, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + numberIn(message, name), 0);
}

function segmentSize(message: ReflectMessage): number {
  return numberIn(message, 'size');
}

/** The content of a segment is in a pagemap and the pages since CRIU 3.11. */
function isInPagemaps(message: ReflectMessage): boolean {
  const field = message.desc.field['inPagemaps'];
  return field !== undefined && message.get(field) === true;
}

function numberIn(message: ReflectMessage, name: string): number {
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`${message.desc.name} has no field ${name}`);
  const value = Number(message.get(field));
  return Number.isSafeInteger(value) ? value : refuseImage(`its ${name} is too large`);
}
