import { nativeAddon } from '../../../lib/native/addon.js';

/**
 * Ends the spare workers of every {@link Criu} of this process, the one that functions use by
 * default among them, and the guard.
 */
export async function endSpareWorkers(): Promise<void> {
  await nativeAddon().closeAll();
}
