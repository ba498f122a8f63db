// @ts-check
// How what the tests reach is collected, for `npm run coverage` and for `npm test`, and what is told of
// it in the end.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { report } from './lines.mjs';
import { readNative } from './native.mjs';
import { childDirectory, directory, ownDirectory } from './places.mjs';

/** @typedef {import('./lines.mjs').Lines} Lines */

/** The smallest share of lines that is to be reached, in percent. What is left: docs/coverage.md. */
const wanted = { lib: 95, native: 90 };

/** Forgets what earlier runs have reached of lib/. */
export function forget() {
  rmSync(directory, { recursive: true, force: true });
}

/** What vitest is run with, so that it and what it starts tell which lines of lib/ they have run. */
export function collectLib() {
  // Tests have processes of other users, too.
  mkdirSync(childDirectory, { recursive: true });
  chmodSync(childDirectory, 0o1777);
  return {
    env: { LIBCRIU_COVERAGE: childDirectory },
    args: [
      '--coverage.enabled',
      '--coverage.reportOnFailure',
      `--coverage.reportsDirectory=${join(ownDirectory, String(Date.now()))}`,
    ],
  };
}

/** Tells what is left of lib/. @returns {Promise<boolean>} whether enough is reached */
export async function reportLib() {
  // What it needs is there only when the machine has been set up.
  const { readLib } = await import('./lib.mjs');
  return tell('lib', await readLib());
}

/** The same for native/. */
export async function reportNative() {
  return tell('native', await readNative());
}

/**
 * @param {'lib' | 'native'} part
 * @param {Lines} lines
 */
function tell(part, lines) {
  const { percent, text } = report(part, lines);
  process.stdout.write(`\n${text}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${part}.txt`), text);
  const isEnough = percent >= wanted[part];
  if (!isEnough) process.stdout.write(`${part}: ${wanted[part]} % are wanted\n`);
  return isEnough;
}
