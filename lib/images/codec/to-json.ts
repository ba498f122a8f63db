import { type DescField, ScalarType } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { toQuotedPrintable } from './quoted-printable.js';
import { isUnixName } from './registry.js';
import type { ImageValue } from './types.js';

/** The fields of a message that are set, in the order of their numbers. */
export function messageToJson(message: ReflectMessage): Record<string, ImageValue> {
  const json: Record<string, ImageValue> = {};
  for (const field of message.sortedFields) {
    if (!message.isSet(field)) continue;
    json[field.name] = valueToJson(message, field);
  }
  return json;
}

function valueToJson(message: ReflectMessage, field: DescField): ImageValue {
  switch (field.fieldKind) {
    case 'list': {
      const values: ImageValue[] = [];
      for (const value of message.get(field) as Iterable<unknown>) {
        values.push(oneToJson(field, value));
      }
      return values;
    }
    case 'map':
      throw new Error(`No image of CRIU has a map, as ${field.name} is one`);
    default:
      return oneToJson(field, message.get(field));
  }
}

function oneToJson(field: DescField, value: unknown): ImageValue {
  if (field.message !== undefined) return messageToJson(value as ReflectMessage);
  if (field.enum !== undefined) {
    const number = value as number;
    return field.enum.value[number]?.name ?? number;
  }
  if (typeof value === 'bigint') return bigintToJson(value);
  if (field.scalar === ScalarType.BYTES) {
    const bytes = value as Uint8Array;
    return isUnixName(field) ? toQuotedPrintable(bytes) : Buffer.from(bytes).toString('base64');
  }
  return value as boolean | number | string;
}

/** JSON has numbers of JavaScript's, which hold no more than 53 bits of an integer. */
function bigintToJson(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
