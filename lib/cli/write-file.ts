import { resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { invalidArgValue } from '../base/errors.js';
import type { Flag } from './flags.js';

/** Of the commands that write a file, and do not replace one without being told to. */
export const existingFlag: Flag = {
  name: 'existing',
  placeholder: 'refuse|replace',
  help: 'what becomes of a file of that name (default: refuse)',
};

/** What the flag says: whether a file that is there is replaced. */
export function replacesExisting(value = 'refuse'): boolean {
  if (value === 'refuse' || value === 'replace') return value === 'replace';
  throw invalidArgValue('existing', "'refuse' or 'replace'", value);
}

/**
 * Writes a file, which is there as a whole or not at all.
 *
 * @param name - The argument or flag, for errors.
 * @param replaces - Whether a file of that name may be there.
 * @returns its absolute path.
 */
export async function writeFile(
  name: string,
  path: string,
  content: Buffer | string,
  replaces: boolean,
): Promise<string> {
  const { openFileTarget } = await import('../archive/target.js');
  const target = await openFileTarget(name, path, replaces);
  try {
    target.stream.end(content);
    await finished(target.stream);
    await target.keep();
    return resolve(path);
  } finally {
    await target.close();
  }
}
