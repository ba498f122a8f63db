// @ts-check
// The tables of `npm run test:engines`.
import { reasons } from './reasons.mjs';

/** @typedef {import('../../test/helpers/engines/report.js').StepsReport & {place: string}} Steps */
/** @typedef {import('../../test/helpers/engines/report.js').ReportRow & {place: string}} Row */
/** @typedef {import('./reasons.mjs').Way} Way */

/** @type {readonly Way[]} */
const ways = ['by name', 'left running', 'killed', 'in place', 'archive', 'OCI image'];

/**
 * What each container had counted before and after, with a note for each cell that has none.
 *
 * @param {readonly Row[]} rows
 * @returns {{text: string, missing: string[]}} and the cells that have neither a count nor a reason
 */
export function countsTable(rows) {
  /** @type {string[]} */
  const notes = [];
  /** @type {string[]} */
  const missing = [];
  /** @param {string} place @param {string} engine @param {Way} way */
  const cell = (place, engine, way) => {
    const its = rows.filter(
      (row) => row.place === place && row.engine === engine && row.way === way,
    );
    if (its.length > 0) return countsOf(its);
    const reason = reasons.find(
      (one) =>
        one.engine.test(engine) && one.ways.includes(way) && (one.place?.test(place) ?? true),
    )?.reason;
    if (reason === undefined) {
      missing.push(`${place}: ${engine}: ${way}`);
      return 'missing';
    }
    if (!notes.includes(reason)) notes.push(reason);
    return `- [${notes.indexOf(reason) + 1}]`;
  };
  const names = [...new Set(rows.map(({ place, engine }) => JSON.stringify([place, engine])))];
  const lines = names.map((name) => {
    /** @type {[string, string]} */
    const [place, engine] = JSON.parse(name);
    return [place, engine, ...ways.map((way) => cell(place, engine, way))];
  });
  const text = aligned([['where', 'engine', ...ways], ...lines]);
  const legend = notes.map((note, at) => `[${at + 1}] ${note}`);
  return { text: [text, '', ...legend].join('\n'), missing };
}

/** The first two of them. @param {readonly Row[]} rows */
function countsOf(rows) {
  const [first, second, ...more] = rows.map(({ before, after }) => `${before} -> ${after}`);
  if (second === undefined) return first ?? '';
  return more.length === 0 ? `${first}, ${second}` : `${first}, and ${more.length + 1} more`;
}

/** Who has made archives of containers that ran on, and how many were right. @param {readonly Steps[]} all */
export function stepsTable(all) {
  const lines = all.map(({ place, engine, by, rounds, restored, inStep }) => [
    place,
    engine,
    by,
    `${restored} of ${rounds}`,
    `${inStep} of ${rounds}`,
  ]);
  return aligned([['where', 'restored by', 'archive of', 'restored', 'in step'], ...lines]);
}

/** @param {readonly string[][]} table */
function aligned(table) {
  const widths = table[0]?.map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  const line = (/** @type {readonly string[]} */ row) =>
    row.map((cell, at) => cell.padEnd(widths?.[at] ?? 0)).join('  ');
  return table.map((row) => line(row).trimEnd()).join('\n');
}
