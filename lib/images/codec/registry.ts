import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  getOption,
} from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { FileDescriptorSetSchema, file_google_protobuf_descriptor } from '@bufbuild/protobuf/wkt';
import { definitions } from './definitions.js';

let registry: FileRegistry | undefined;

/** CRIU's definitions, which are taken apart when they are first asked for. */
function definitionsOfCriu(): FileRegistry {
  if (registry === undefined) {
    const set = fromBinary(FileDescriptorSetSchema, Buffer.from(definitions, 'base64'));
    set.file.unshift(file_google_protobuf_descriptor.proto);
    registry = createFileRegistry(set);
  }
  return registry;
}

/** A message of CRIU's by its name. */
export function messageNamed(name: string): DescMessage {
  const message = definitionsOfCriu().getMessage(name);
  if (message === undefined) throw new Error(`There is no message ${name} of CRIU`);
  return message;
}

/** Whether a field is the name of a Unix socket, which may have any byte in it. */
export function isUnixName(field: DescField): boolean {
  const extension = definitionsOfCriu().getExtension('criu');
  if (extension === undefined || field.proto.options === undefined) return false;
  const value = getOption(field, extension) as { $typeName?: string };
  const message = definitionsOfCriu().getMessage(value.$typeName ?? '');
  const conversion = message?.field['conv'];
  if (message === undefined || conversion === undefined) return false;
  return reflect(message, value as never).get(conversion) === 'unix_name';
}
