// @ts-check
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/**
 * A hash over names, sizes and times of the given files and directories, which changes when a file
 * is added, edited or removed. It reads no contents: it must be cheap enough for every start.
 *
 * @param {readonly string[]} paths relative to the package
 * @param {readonly string[]} extra whatever else the output depends on
 */
export function fingerprint(paths, extra = []) {
  const hash = createHash('sha256').update(JSON.stringify(extra));
  for (const path of paths) {
    add(hash, path);
  }
  return hash.digest('hex');
}

/**
 * @param {import('node:crypto').Hash} hash
 * @param {string} path
 */
function add(hash, path) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  if (stats?.isDirectory()) {
    for (const name of readdirSync(join(root, path)).sort()) {
      add(hash, join(path, name));
    }
  } else {
    hash.update(`${path}\0${stats?.size}\0${stats?.mtimeMs}\0`);
  }
}

/** What was noted beside an output when it was made. @param {string} file relative to the package */
export function readNote(file) {
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}
