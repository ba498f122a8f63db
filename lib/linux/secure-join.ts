import { readlink } from 'node:fs/promises';
import { normalize } from 'node:path';
import { errnoOf } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';
import { requireTrustedAddon } from './trusted.js';

/** The same limit as in runc's own function of this name. */
const maxLinks = 255;

/**
 * Finds where `path` leads for a process whose root is `root`, as an absolute path below that root.
 * Every link is followed with `root` as `/`, and `..` stops there, so the result never leaves it.
 * What does not exist is taken as written.
 */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  let resolved = '/';
  let rest = path.split('/');
  let links = 0;
  while (rest.length > 0) {
    const [part, ...tail] = rest;
    rest = tail;
    if (part === '' || part === '.') continue;
    const next = normalize(`${resolved}/${part}`);
    const target = next === '/' ? undefined : await linkTarget(root + next);
    if (target === undefined) {
      resolved = next;
      continue;
    }
    links += 1;
    if (links > maxLinks) throw new Error(`too many links in ${path} below ${root}`);
    if (target.startsWith('/')) resolved = '/';
    rest = [...target.split('/'), ...rest];
  }
  return resolved;
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    const code = errnoOf(error);
    // The kernel says EINVAL of what is there and is no link.
    if (code === 'EINVAL' || code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Does the same for many paths at once, in one system call each where the kernel has it. A path that
 * cannot be resolved is returned as it is; the function never rejects.
 */
export async function resolveAllInRoot(
  root: string,
  paths: readonly string[],
): Promise<readonly string[]> {
  await requireTrustedAddon();
  const resolved = await nativeAddon().resolveInRoot(root, paths);
  return Promise.all(
    paths.map((path, index) => resolved[index] ?? resolveInRoot(root, path).catch(() => path)),
  );
}
