import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';

/**
 * Whether a socket that a process has open adds something to what is received, such as who has sent
 * it (`SO_PASSCRED`); false where it may not be looked at, or without the native addon.
 */
export function passesControl({ pid, fd }: { pid: number; fd: number }): boolean {
  try {
    return nativeAddon().passesControl(pid, fd) ?? false;
  } catch (error) {
    if (error instanceof CriuError) return false;
    throw error;
  }
}
