import { nativeAddon } from '../native/addon.js';

/**
 * Kills a process, and no other one that has got its pid meanwhile.
 *
 * @param process - The process as its stat file told.
 * @throws CriuError for one that may not be killed; one that is gone is none.
 */
export function kill(pid: number, { startTime }: { readonly startTime: number }): void {
  nativeAddon().kill(pid, startTime);
}
