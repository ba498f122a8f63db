import { constants } from 'node:os';
import { nativeAddon } from '../native/addon.js';
import { requireTrustedAddon } from './trusted.js';

/** Made once: util.getSystemErrorMap() makes one for each call. */
const codes: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([code, number]) => [number, code]),
);

/**
 * Looks at files in one turn of a thread, where Node.js takes one for each.
 *
 * @returns the mode of each, or the `code` of the error: `ENOENT`.
 */
export async function fileModes(paths: readonly string[]): Promise<(number | string)[]> {
  await requireTrustedAddon();
  const modes = await nativeAddon().fileModes(paths);
  return modes.map((mode) => (mode < 0 ? (codes.get(-mode) ?? `errno ${-mode}`) : mode));
}
