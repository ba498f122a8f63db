import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Whether a path lies in the package, or in one of `@libcriu` that was installed beside it. What it
 * names is as much trusted as the code that runs here.
 */
export function isInPackage(path: string): boolean {
  const root = packageRoot();
  if (root === undefined) return false;
  const file = resolve(path);
  const modules = dirname(root);
  return (
    file.startsWith(`${root}/`) ||
    (basename(modules) === 'node_modules' && file.startsWith(`${modules}/@libcriu/`))
  );
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

/** Whether the package is there as it was packed or cloned, and not within somebody's bundle. */
export function isWhole(): boolean {
  const root = packageRoot();
  return root !== undefined && existsSync(join(root, 'binding.gyp'));
}

/** Whether the package is a clone of its repository, and not installed in somebody's project. */
export function isCheckout(): boolean {
  const root = packageRoot();
  return root !== undefined && existsSync(join(root, 'package-lock.json')) && isWhole();
}

/** The command that makes what this package needs, where it is run from. */
export function setUpCommand(): string {
  return isCheckout() ? `"npm run setup" in ${packageRoot()}` : '"npx libcriu setup"';
}
