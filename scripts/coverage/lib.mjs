// @ts-check
// The lines of lib/ that a run of the suite has reached: in the test processes themselves, as vitest
// tells, in the Node.js processes that they start, which run dist/, and in the virtual machine.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
// @ts-expect-error: it has no types.
import { mergeProcessCovs } from '@bcoe/v8-coverage';
import { convert } from 'ast-v8-to-istanbul';
import { parseAstAsync } from 'vite';
import { root } from '../../tools/paths.mjs';
import { addLine, addLines } from './lines.mjs';
import { childDirectory, ownDirectory } from './places.mjs';

/** @typedef {import('./lines.mjs').Lines} Lines */

/**
 * The part of Istanbul's format that we read.
 *
 * @typedef {Record<string, {
 *   statementMap: Record<string, {start: {line: number}}>,
 *   s: Record<string, number>,
 * }>} Istanbul
 */

/** What the virtual machine has run, as it was compiled for it (test/vm/host/initramfs.ts). */
const guestDirectory = join(root, 'node_modules/.cache/libcriu-test/guest');

/** @returns {Promise<Lines>} */
export async function readLib() {
  /** @type {Lines} */
  const own = new Map();
  for (const name of readdirSync(ownDirectory)) {
    const file = join(ownDirectory, name, 'coverage-final.json');
    addLines(own, linesOf(JSON.parse(readFileSync(file, 'utf8'))));
  }
  for (const [file, counts] of await readChildren()) {
    for (const [line, count] of counts) {
      // Which lines can be run is what vitest says, for all files alike.
      if (own.get(file)?.has(line)) addLine(own, file, line, count);
    }
  }
  return own;
}

/** @param {Istanbul} coverage */
function linesOf(coverage) {
  /** @type {Lines} */
  const lines = new Map();
  for (const [path, { statementMap, s }] of Object.entries(coverage)) {
    const file = relative(root, path);
    for (const [id, { start }] of Object.entries(statementMap)) {
      addLine(lines, file, start.line, s[id] ?? 0);
    }
  }
  return lines;
}

/** @returns {Promise<Lines>} */
async function readChildren() {
  const names = existsSync(childDirectory)
    ? readdirSync(childDirectory, { recursive: true, encoding: 'utf8' })
    : [];
  const { result } = mergeProcessCovs(
    names.filter((name) => name.endsWith('.json')).map((name) => ({ result: scriptsIn(name) })),
  );
  /** @type {Lines} */
  const lines = new Map();
  for (const script of result) {
    const file = fileURLToPath(script.url);
    const code = readFileSync(file, 'utf8');
    const sourceMap = sourceMapOf(file, code);
    if (sourceMap === undefined) continue;
    const istanbul = await convert({
      code,
      wrapperLength: 0,
      coverage: script,
      ast: parseAstAsync(code),
      sourceMap,
    });
    addLines(lines, linesOf(/** @type {Istanbul} */ (istanbul)));
  }
  return lines;
}

/**
 * Where the scripts that count are in the processes, and where here.
 *
 * @type {readonly (readonly [string, string])[]}
 */
const places = [
  [pathToFileURL(join(root, 'dist/')).href, pathToFileURL(join(root, 'dist/')).href],
  ['file:///libcriu/dist/', pathToFileURL(join(root, 'dist/')).href],
  ['file:///libcriu/lib/', pathToFileURL(join(guestDirectory, 'lib/')).href],
];

/**
 * What one process has run. One that was killed while it wrote has said nothing.
 *
 * @param {string} name
 * @returns {{url: string}[]}
 */
function scriptsIn(name) {
  let result;
  try {
    ({ result } = JSON.parse(readFileSync(join(childDirectory, name), 'utf8')));
  } catch {
    return [];
  }
  return result.flatMap((/** @type {{url: string}} */ script) => {
    const place = places.find(([there]) => script.url.startsWith(there));
    if (place === undefined) return [];
    const [there, here] = place;
    return [{ ...script, url: here + script.url.slice(there.length) }];
  });
}

/**
 * @param {string} file
 * @param {string} code
 * @returns {any} undefined for what the bundler itself has added
 */
function sourceMapOf(file, code) {
  const inline = /^\/\/# sourceMappingURL=data:[^,]*;base64,(.*)$/m.exec(code)?.[1];
  if (inline === undefined && !existsSync(`${file}.map`)) return undefined;
  return JSON.parse(
    inline === undefined
      ? readFileSync(`${file}.map`, 'utf8')
      : Buffer.from(inline, 'base64').toString('utf8'),
  );
}
