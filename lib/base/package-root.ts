import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Whether a path lies in the package. What it names is as much trusted as the code that runs here. */
export function isInPackage(path: string): boolean {
  const root = packageRoot();
  return root !== undefined && resolve(path).startsWith(`${root}/`);
}

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
