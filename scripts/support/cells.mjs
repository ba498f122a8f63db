// @ts-check
// What has been run on which system, with which releases of Node.js and CRIU. `npm run test:support` writes it,
// docs/install.md shows it, and tests compare it with what they run.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { platforms } from '../../tools/platforms.mjs';

/**
 * What was run in a cell of the table. One that failed is not there.
 *
 * @typedef {object} Run
 * @property {string} system as the directory of its package is called
 * @property {string | null} node its version; null where the addon was loaded without it
 * @property {string | null} criu its version, where a process was saved and restored; null where the addon was
 *   loaded, and no more
 * @property {string} kernel its release, as 6.18
 * @property {string} test the file that has run it
 */

/** The releases of CRIU that the package is for. */
export const criuReleases = ['3.16', '3.17', '3.18', '3.19', '4.0', '4.1', '4.2'];

export const systems = platforms.map(({ directory }) => directory);

export const runsFile = join(root, 'scripts/support/runs.json');

/** @returns {Run[]} */
export const readRuns = () => JSON.parse(readFileSync(runsFile, 'utf8'));

/** The release that a version is of: 3.16 of 3.16.1. @param {string} version */
export const releaseOf = (version) => version.split('.').slice(0, 2).join('.');

/** @param {string} version */
export const majorOf = (version) => Number(version.split('.')[0]);

/** What two runs of one cell have in common. @param {Run} run */
const cellOf = ({ system, node, criu }) =>
  JSON.stringify([system, criu && releaseOf(criu), node && majorOf(node)]);

/**
 * The run of a cell.
 *
 * @param {readonly Run[]} runs
 * @param {{system: string, node: string | null, criu: string | null}} cell
 */
export function runOf(runs, cell) {
  const wanted = cellOf({ ...cell, kernel: '', test: '' });
  return runs.find((run) => cellOf(run) === wanted);
}

/**
 * Puts runs in the place of those that were there before.
 *
 * @param {readonly Run[]} tried the cells that were tried, also those that have failed
 * @param {readonly Run[]} passed
 */
export function writeRuns(tried, passed) {
  const anew = new Set(tried.map(cellOf));
  const runs = [...readRuns().filter((run) => !anew.has(cellOf(run))), ...passed];
  runs.sort((left, right) => placeIn(left) - placeIn(right));
  const told = runs.map((run) => ({ ...run, kernel: kernelRelease(run.kernel) }));
  writeFileSync(runsFile, `${JSON.stringify(told, null, 2)}\n`);
}

/** What counts of the kernel's name: 6.1 of 6.1.0-50-cloud-arm64. @param {string} kernel */
const kernelRelease = (kernel) => /^\d+\.\d+/.exec(kernel)?.[0] ?? kernel;

/** Where it is among all: first by system, then by CRIU, then by Node.js. @param {Run} run */
function placeIn({ system, node, criu }) {
  const ofCriu = criu === null ? -1 : criuReleases.indexOf(releaseOf(criu));
  const ofNode = node === null ? -1 : majorOf(node);
  return (systems.indexOf(system) * 100 + ofCriu) * 100 + ofNode;
}
