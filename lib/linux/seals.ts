import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';

/**
 * The seals (`F_SEAL_WRITE` and so on) of the memory that a link of `/proc` leads to; undefined where
 * it has none or may not be opened, or without the native addon.
 */
export function fileSeals(link: string): number | undefined {
  try {
    return nativeAddon().fileSeals(link);
  } catch (error) {
    if (error instanceof CriuError) return undefined;
    throw error;
  }
}
