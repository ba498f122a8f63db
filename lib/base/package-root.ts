import { fileURLToPath } from 'node:url';

/**
 * The directory of the package, without a slash at its end. Undefined where modules have no place of
 * their own, as in a bundle in the format of CommonJS.
 */
export function packageRoot(): string | undefined {
  try {
    return fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  } catch {
    return undefined;
  }
}
