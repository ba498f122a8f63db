import { finished } from 'node:stream/promises';

/**
 * Writes a file, which is there as a whole or not at all.
 *
 * @param name - The argument or flag, for errors.
 * @param replaces - Whether a file of that name may be there.
 */
export async function writeFile(
  name: string,
  path: string,
  content: Buffer | string,
  replaces: boolean,
): Promise<void> {
  const { openFileTarget } = await import('../archive/target.js');
  const target = await openFileTarget(name, path, replaces);
  try {
    target.stream.end(content);
    await finished(target.stream);
    await target.keep();
  } finally {
    await target.close();
  }
}
