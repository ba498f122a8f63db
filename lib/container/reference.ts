import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { type EngineName, engineNames } from '../options/engine-names.js';
import { badId } from './state/id.js';

/** How a caller names a container: by an id, the beginning of one or a name, of any engine or of one. */
export interface Reference {
  name: string;
  engine: EngineName | undefined;
}

/**
 * Reads `web`, `docker:web` or `NAMESPACE/POD/NAME`.
 *
 * @param engine - The option of that name.
 * @throws TypeError, RangeError for what no container can be called, and for two engines.
 */
export function parseReference(given: unknown, engine?: EngineName): Reference {
  if (typeof given !== 'string') {
    const advice = typeof given === 'number' ? 'pass a string for a container' : undefined;
    throw invalidArgType('id', 'a container id as a string', given, advice);
  }
  const [, prefix, name = given] = /^([a-z-]+):(.*)$/s.exec(given) ?? [];
  const named = engineNames.find((one) => one === prefix);
  if (prefix !== undefined && named === undefined) {
    const known = `only one of ${engineNames.join(', ')} can stand before ":"`;
    throw invalidArgValue('id', 'a container id', given, known);
  }
  const parts = name.split('/');
  const bad = parts.length > 3 ? 'it has too many parts' : parts.map(badId).find(Boolean);
  if (bad !== undefined) throw invalidArgValue('id', 'a container id', given, bad);
  if (engine !== undefined && named !== undefined && named !== engine) {
    throw invalidArgValue('engine', `${named}, as the id says`, engine);
  }
  return { name, engine: engine ?? named };
}
