import { type DescField, ScalarType } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { invalidArgType, invalidArgValue } from '../../base/errors.js';
import { fromQuotedPrintable } from './quoted-printable.js';
import { isUnixName } from './registry.js';

/**
 * Sets the fields of a message.
 *
 * @param path - Where the object is, for errors: `image.entries[0]`.
 * @param others - Names in the object that are no fields of the message.
 * @throws TypeError, RangeError
 */
export function messageFromJson(
  message: ReflectMessage,
  json: unknown,
  path: string,
  others: readonly string[] = [],
): void {
  for (const [name, value] of Object.entries(checkObject(json, path))) {
    if (others.includes(name)) continue;
    const field = message.fields.find((candidate) => candidate.name === name);
    const at = `${path}.${name}`;
    if (field === undefined) {
      throw invalidArgValue(path, `the fields of ${message.desc.name}`, name);
    }
    setField(message, field, value, at);
  }
  for (const field of message.fields) {
    if (field.presence !== FeatureSet_FieldPresence.LEGACY_REQUIRED || message.isSet(field))
      continue;
    throw invalidArgValue(path, `an object with ${field.name}`, json);
  }
}

/** @throws TypeError */
export function checkObject(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalidArgType(path, 'an object', json);
  }
  return json as Readonly<Record<string, unknown>>;
}

function setField(message: ReflectMessage, field: DescField, json: unknown, path: string): void {
  if (field.fieldKind === 'map') throw invalidArgValue(path, 'no map', json);
  if (field.fieldKind !== 'list') {
    message.set(field, oneFromJson(field, json, path));
    return;
  }
  if (!Array.isArray(json)) throw invalidArgType(path, 'an array', json);
  const list = message.get(field) as ReflectList;
  for (const [index, item] of json.entries()) {
    list.add(oneFromJson(field, item, `${path}[${index}]`));
  }
}

function oneFromJson(field: DescField, json: unknown, path: string): unknown {
  if (field.message !== undefined) {
    const message = reflect(field.message);
    messageFromJson(message, json, path);
    return message;
  }
  if (field.enum !== undefined) {
    const value = field.enum.values.find(({ name, number }) => name === json || number === json);
    if (value !== undefined) return value.number;
    throw invalidArgValue(path, `a value of ${field.enum.name}`, json);
  }
  return scalarFromJson(field, json, path);
}

function scalarFromJson(field: DescField, json: unknown, path: string): unknown {
  switch (field.scalar) {
    case ScalarType.BOOL:
      if (typeof json === 'boolean') return json;
      throw invalidArgType(path, 'true or false', json);
    case ScalarType.STRING:
      if (typeof json === 'string') return json;
      throw invalidArgType(path, 'a string', json);
    case ScalarType.BYTES:
      if (typeof json !== 'string') throw invalidArgType(path, 'a string', json);
      return isUnixName(field) ? fromQuotedPrintable(json) : base64(json, path);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return BigInt.asIntN(64, integer(json, path, -(2n ** 63n), 2n ** 63n));
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return integer(json, path, 0n, 2n ** 64n);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(integer(json, path, 0n, 2n ** 32n));
    default:
      return Number(integer(json, path, -(2n ** 31n), 2n ** 31n));
  }
}

/** Bytes that are in base64, in one line or more. */
export function base64(json: unknown, path: string): Buffer {
  if (typeof json !== 'string') throw invalidArgType(path, 'a string', json);
  const text = json.replace(/\s+/g, '');
  if (!/^[\w+/-]*={0,2}$/.test(text)) throw invalidArgValue(path, 'base64', json);
  return Buffer.from(text, 'base64');
}

/** An integer, as a number or as its digits: from the first bound to below the second. */
function integer(json: unknown, path: string, from: bigint, below: bigint): bigint {
  const isText = typeof json === 'string' && /^(?:-?\d+|0x[\da-f]+)$/i.test(json);
  if (!isText && !Number.isSafeInteger(json)) throw invalidArgType(path, 'an integer', json);
  const value = BigInt(json as number | string);
  if (value >= from && value < below) return value;
  throw invalidArgValue(path, `an integer from ${from} to ${below - 1n}`, json);
}
