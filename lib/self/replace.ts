import { mkdtemp, rm } from 'node:fs/promises';
import { nativeAddon } from '../native/addon.js';

/**
 * Makes a snapshot anew in the place of another one, which stays as it is until that has succeeded.
 *
 * @param make - Makes it in another directory beside that one.
 */
export async function replaceSnapshot(
  directory: string,
  make: (into: string) => Promise<void>,
): Promise<void> {
  const made = await mkdtemp(`${directory}.`);
  try {
    await make(made);
    nativeAddon().exchange(made, directory);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}
