import { existsSync, readFileSync, type Stats, statSync } from 'node:fs';
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
 * The directory of the package, without a slash at its end. Undefined in somebody's bundle, around which
 * nothing is ours.
 */
export function packageRoot(): string | undefined {
  place ??= { root: findRoot() };
  return place.root;
}

/** Whether the package is a clone of its repository, and not installed in somebody's project. */
export function isCheckout(): boolean {
  const root = packageRoot();
  return root !== undefined && existsSync(join(root, 'package-lock.json'));
}

/** The command that makes what this package needs, where it is run from. */
export function setUpCommand(): string {
  return isCheckout() ? `"npm run setup" in ${packageRoot()}` : '"npx libcriu setup"';
}

const writableByAll = 0o002;

/** What has been found. */
let place: { root: string | undefined } | undefined;

function findRoot(): string | undefined {
  let file: string;
  try {
    file = fileURLToPath(import.meta.url);
  } catch {
    return undefined; // Modules have no place of their own in a bundle in the format of CommonJS.
  }
  const directory = dirname(file);
  const above = [dirname(directory), dirname(dirname(directory))];
  return above.find((one) => isAsTrusted(one, file) && isOurs(one));
}

/**
 * Whether nobody can have written into a directory but who can have written the code that runs here. That of a
 * bundle may be below a directory of everybody's, as `/tmp` is.
 */
function isAsTrusted(directory: string, code: string): boolean {
  const look = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });
  const own = look(code);
  if (own === undefined) return false;
  return [directory, join(directory, 'package.json')].map(look).every((stats) => {
    if (stats === undefined) return false;
    const isTheirs = stats.uid === 0 || stats.uid === own.uid;
    return isTheirs && (stats.mode & ~own.mode & writableByAll) === 0;
  });
}

function isOurs(directory: string): boolean {
  try {
    const manifest = readFileSync(join(directory, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { name?: unknown }).name === 'libcriu';
  } catch {
    return false;
  }
}
