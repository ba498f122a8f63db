import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const commonMagic = 0x54564319;

/**
 * The messages of an image that has nothing but messages.
 *
 * @param magic - The number of its kind.
 * @param name - Its name, for errors.
 * @throws Error when it is not one, or is cut short.
 */
export function recordsIn(file: Uint8Array, magic: number, name: string): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < 8) throw new Error(`${name} is cut short`);
  if (view.getUint32(0, true) !== commonMagic || view.getUint32(4, true) !== magic) {
    throw new Error(`not a ${name.replace(/(?:-\d+)?\.img$/, '')} image`);
  }
  const records: Uint8Array[] = [];
  for (let at = 8; at < file.byteLength; ) {
    const start = at + 4;
    const end = start <= file.byteLength ? start + view.getUint32(at, true) : Infinity;
    if (end > file.byteLength) throw new Error(`${name} is cut short`);
    records.push(file.subarray(start, end));
    at = end;
  }
  return records;
}

/** The image that has these messages. */
export function imageOf(magic: number, records: readonly Uint8Array[]): Buffer {
  const numbers = (...values: readonly number[]): Buffer =>
    Buffer.from(Uint32Array.from(values).buffer);
  const framed = records.flatMap((record) => [numbers(record.byteLength), record]);
  return Buffer.concat([numbers(commonMagic, magic), ...framed]);
}

/** The numbers in some fields of a message; a list of them may be packed. */
export function numbersIn(message: Uint8Array, fields: readonly number[]): number[] {
  const reader = new BinaryReader(message);
  const numbers: number[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!fields.includes(field)) reader.skip(type, field);
    else if (type === WireType.Varint) numbers.push(reader.uint32());
    else if (type === WireType.LengthDelimited) {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) numbers.push(packed.uint32());
    } else reader.skip(type, field);
  }
  return numbers;
}

/** The messages in some fields of a message, each with the number of its field. */
export function messagesIn(
  message: Uint8Array,
  fields: readonly number[],
): (readonly [number, Uint8Array])[] {
  const reader = new BinaryReader(message);
  const messages: (readonly [number, Uint8Array])[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const isWanted = fields.includes(field) && type === WireType.LengthDelimited;
    if (isWanted) messages.push([field, reader.bytes()]);
    else reader.skip(type, field);
  }
  return messages;
}

/** A message with other numbers in some of the fields that it has. All else stays as it is. */
export function withNumbers(message: Uint8Array, numbers: ReadonlyMap<number, number>): Uint8Array {
  const reader = new BinaryReader(message);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, type] = reader.tag();
    reader.skip(type, field);
    const number = numbers.get(field);
    if (number === undefined) writer.raw(message.subarray(start, reader.pos));
    else writer.tag(field, WireType.Varint).uint32(number);
  }
  return writer.finish();
}
