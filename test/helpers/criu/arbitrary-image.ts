import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { type Extra, type Kind, kinds } from '../../../lib/images/codec/kinds.js';
import { messageNamed } from '../../../lib/images/codec/registry.js';
import type { DecodedImage, ImageEntry, ImageValue } from '../../../lib/images/codec/types.js';

const maxLevel = 3;

/** Any image of a kind, as JSON. */
export function anyImage(magic: string): fc.Arbitrary<DecodedImage> {
  const kind = kinds[magic];
  if (kind === undefined) throw new Error(`There is no kind ${magic}`);
  const entries = kind.isGhost ? ghostEntries(kind) : plainEntries(kind);
  return entries.map((list) => ({ magic, entries: list }));
}

function plainEntries({ message, first, extra }: Kind): fc.Arbitrary<ImageEntry[]> {
  const others = fc.array(anyEntry(message, extra), { maxLength: 3 });
  if (first === undefined) return others;
  return fc.tuple(anyEntry(first), others).map(([head, rest]) => [head, ...rest]);
}

function ghostEntries({ message, first = message, extra }: Kind): fc.Arbitrary<ImageEntry[]> {
  const whole = fc
    .tuple(anyEntry(first), base64())
    .map(([head, content]) => [{ ...head, chunks: false, extra: content }]);
  const inParts = fc
    .tuple(anyEntry(first), fc.array(anyEntry(message, extra), { maxLength: 3 }))
    .map(([head, chunks]) => [{ ...head, chunks: true }, ...chunks]);
  return fc.oneof(whole, inParts);
}

function anyEntry(name: string, extra?: Extra): fc.Arbitrary<ImageEntry> {
  const message = anyMessage(messageNamed(name), 0);
  return extra === undefined ? message : message.chain((entry) => withExtra(entry, extra));
}

/** Gives an entry what its numbers promise, which are made small for that. */
function withExtra(entry: ImageEntry, extra: Extra): fc.Arbitrary<ImageEntry> {
  const count = fc.nat(20);
  switch (extra.kind) {
    case 'bytes':
      return fc.tuple(...extra.lengths.map(() => count)).chain((sizes) =>
        base64(sizes.reduce((a, b) => a + b, 0)).map((bytes) => ({
          ...entry,
          ...Object.fromEntries(extra.lengths.map((name, at) => [name, sizes[at] ?? 0])),
          extra: bytes,
        })),
      );
    case 'queues':
      return fc.tuple(count, count).chain(([inq_len, outq_len]) =>
        fc.record({ inq: base64(inq_len), outq: base64(outq_len) }).map((queues) => ({
          ...entry,
          inq_len,
          outq_len,
          extra: queues,
        })),
      );
    case 'segment':
      return fc.tuple(count, fc.boolean()).chain(([size, in_pagemaps]) => {
        const sized = { ...entry, size, in_pagemaps };
        return in_pagemaps
          ? fc.constant(sized)
          : base64(size).map((bytes) => ({ ...sized, extra: bytes }));
      });
    case 'semaphores':
      return fc
        .array(fc.nat(0xffff), { maxLength: 9 })
        .map((values) => ({ ...entry, nsems: values.length, extra: values }));
    case 'messages':
      return fc
        .array(
          count.chain((msize) =>
            fc
              .tuple(anyMessage(messageNamed('ipc_msg'), 0), base64(msize))
              .map(([one, bytes]): ImageValue[] => [{ ...one, msize }, bytes]),
          ),
          { maxLength: 3 },
        )
        .map((list) => ({ ...entry, qnum: list.length, extra: list.flat() }));
  }
}

function base64(size?: number): fc.Arbitrary<string> {
  const length = size === undefined ? {} : { minLength: size, maxLength: size };
  return fc.uint8Array(length).map((bytes) => Buffer.from(bytes).toString('base64'));
}

function anyMessage(message: DescMessage, level: number): fc.Arbitrary<ImageEntry> {
  const model: Record<string, fc.Arbitrary<ImageValue>> = {};
  const required: string[] = [];
  for (const field of [...message.fields].sort((a, b) => a.number - b.number)) {
    const isRequired = field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
    // A definition may hold itself.
    if (!isRequired && field.message !== undefined && level >= maxLevel) continue;
    model[field.name] = anyValue(field, level);
    if (isRequired) required.push(field.name);
  }
  return fc.record(model, { requiredKeys: required }) as fc.Arbitrary<ImageEntry>;
}

function anyValue(field: DescField, level: number): fc.Arbitrary<ImageValue> {
  const one = anyOne(field, level);
  // A list that is empty is not in the image.
  return field.fieldKind === 'list' ? fc.array(one, { minLength: 1, maxLength: 3 }) : one;
}

function anyOne(field: DescField, level: number): fc.Arbitrary<ImageValue> {
  if (field.message !== undefined) return anyMessage(field.message, level + 1);
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map((v) => v.name));
  switch (field.scalar) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: 'binary', maxLength: 20 });
    case ScalarType.BYTES:
      return field.name === 'name' ? fc.constantFrom('=00abstract', '/run/a b', '') : base64();
    case ScalarType.INT32:
    case ScalarType.SINT32:
      return fc.integer();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat(0xffff_ffff);
    case ScalarType.INT64:
    case ScalarType.SINT64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(shown);
    default:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(shown);
  }
}

function shown(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
