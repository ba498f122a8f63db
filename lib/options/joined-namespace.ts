import { inspect } from 'node:util';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { checkRecord } from './record.js';
import { checkText } from './text.js';

/** CRIU's names of the namespaces that can be joined. */
const types = ['net', 'uts', 'ipc', 'time', 'mnt'] as const;

/** A namespace to restore into. */
export interface JoinedNamespace {
  type: (typeof types)[number];
  /** A file that stands for it, as `/proc/4711/ns/net` or `/run/netns/web`. */
  path: string;
}

/** Checks an element of `joinNs`, and gives a copy of it. */
export function checkJoinedNamespace(name: string, value: unknown): JoinedNamespace {
  const { type, path } = checkRecord(name, value, ['type', 'path'], 'an object of type and path');
  const expected = `one of ${types.map((one) => inspect(one)).join(', ')}`;
  if (typeof type !== 'string') throw invalidArgType(`${name}.type`, expected, type);
  const known = types.find((one) => one === type);
  if (known === undefined) throw invalidArgValue(`${name}.type`, expected, type);
  const file = checkText(`${name}.path`, 'the path of a namespace', path);
  if (!file.startsWith('/')) {
    throw invalidArgValue(`${name}.path`, 'the path of a namespace', path, 'it begins with no /');
  }
  return { type: known, path: file };
}
