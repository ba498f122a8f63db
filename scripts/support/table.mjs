// @ts-check
// The tables of systems and versions in docs/install.md.
import { nodeMajors } from '../../tools/node-releases.mjs';
import { criuReleases, majorOf, releaseOf, systems } from './cells.mjs';
import { reasonOf, reasonOfLoaded } from './reasons.mjs';

/** @typedef {import('./cells.mjs').Run} Run */

const marks = { begin: '<!-- support begin -->', end: '<!-- support end -->' };

/**
 * Puts the tables into a text between the marks.
 *
 * @param {string} text
 * @param {readonly Run[]} runs
 */
export function insertSupport(text, runs) {
  const begin = text.indexOf(marks.begin);
  const end = text.indexOf(marks.end);
  if (begin < 0 || end < begin) {
    throw new Error(`${marks.begin} and ${marks.end} are not in the text`);
  }
  return `${text.slice(0, begin + marks.begin.length)}\n${renderSupport(runs)}\n${text.slice(end)}`;
}

/** @param {readonly Run[]} runs */
export function renderSupport(runs) {
  /** @type {string[]} */
  const notes = [];
  /** @param {string} text */
  const note = (text) => {
    if (!notes.includes(text)) notes.push(text);
    return `[${notes.indexOf(text) + 1}]`;
  };
  const heads = ['System', 'CRIU', ...nodeMajors.map((major) => `Node.js ${major}`)];
  const rows = systems.flatMap((system) => rowsOf(system, runs, note));
  const lines = [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const legend = notes.map((text, index) => `${index + 1}. ${text}`);
  return [...lines, '', ...legend].join('\n');
}

/** @type {(system: string, runs: readonly Run[], note: (text: string) => string) => string[][]} */
function rowsOf(system, runs, note) {
  const its = runs.filter((run) => run.system === system);
  const isSaved = its.some(({ criu }) => criu !== null);
  const releases = isSaved ? criuReleases : [null];
  return releases.map((release) => {
    const cells = nodeMajors.map((major) => cell({ system, release, major }, its, note));
    return [`\`${system}\``, release === null ? allReleases : nameOf(release, its), ...cells];
  });
}

const allReleases = `${criuReleases[0]} to ${criuReleases.at(-1)}`;

/** A release, by the version that was run. @type {(release: string, its: readonly Run[]) => string} */
const nameOf = (release, its) =>
  its.find(({ criu }) => criu !== null && releaseOf(criu) === release)?.criu ?? release;

/** @type {(place: {system: string, release: string | null, major: number}, its: readonly Run[], note: (text: string) => string) => string} */
function cell({ system, release, major }, its, note) {
  const ofNode = its.filter(({ node }) => node === null || majorOf(node) === major);
  const run = ofNode.find(({ criu }) => criu !== null && releaseOf(criu) === release);
  if (run !== undefined) return `run ${note(placeOf(run))}`;
  const loaded = ofNode.find(({ criu }) => criu === null);
  if (loaded === undefined) return `not run ${note(reasonOf(release))}`;
  const how = loaded.node === null ? 'loaded without Node.js' : 'loaded';
  return `not run, ${how} ${note(reasonOfLoaded(system))}`;
}

/** @param {Run} run */
function placeOf({ kernel, test }) {
  const where = `${test.startsWith('test/vm') ? 'in a virtual machine with' : 'on'} Linux ${kernel}`;
  return `A process was saved and restored, by the functions and by the command, ${where}: \`${test}\`.`;
}
