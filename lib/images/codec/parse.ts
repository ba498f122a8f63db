import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { refuseImage } from './fault.js';

/**
 * Takes a message apart.
 *
 * @param what - What it is, for sentences: `its entry 3`.
 * @throws ImageFault
 */
export function parse(message: DescMessage, bytes: Uint8Array, what: string): ReflectMessage {
  let reflected: ReflectMessage;
  try {
    reflected = reflect(message, fromBinary(message, bytes));
  } catch {
    return refuseImage(`${what} is no whole ${message.name}`);
  }
  // The numbers of what must be there say how to go on.
  for (const field of reflected.fields) {
    const isRequired = field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
    if (isRequired && !reflected.isSet(field)) {
      refuseImage(`${what} is a ${message.name} without ${field.name}`);
    }
  }
  return reflected;
}
