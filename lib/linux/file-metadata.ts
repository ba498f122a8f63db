import { nativeAddon } from '../native/addon.js';

/**
 * Gives a file an extended attribute, where its file system knows any. No link is followed.
 *
 * @throws CriuError when it cannot be set.
 */
export function setAttribute(path: Buffer, name: string, value: Buffer): void {
  nativeAddon().setAttribute(path, name, value);
}

/**
 * Makes a named pipe, for which Node.js has no function.
 *
 * @throws CriuError when it cannot be made.
 */
export function makeFifo(path: Buffer, mode: number): void {
  nativeAddon().makeFifo(path, mode);
}
