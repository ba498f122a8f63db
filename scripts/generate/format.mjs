// @ts-check
import { execFileSync } from 'node:child_process';
import { root, tool } from '../../tools/paths.mjs';

/**
 * A text as Biome formats it.
 *
 * @param {string} path the file, relative to the package: its rules apply
 * @param {string} text
 */
export function formatted(path, text) {
  return execFileSync(tool('biome'), ['format', `--stdin-file-path=${path}`], {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });
}
