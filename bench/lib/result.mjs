// @ts-check
import { median } from './statistics.mjs';

/**
 * One bar of a chart, and one line of its table.
 *
 * @typedef {object} Bar
 * @property {string} name
 * @property {readonly number[]} samples
 * @property {boolean} [ours]
 */

/**
 * Ways to do the same thing, side by side; the first is what the others are compared with.
 *
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} unit
 * @property {readonly Bar[]} bars
 */

/**
 * What is promised, and what was found.
 *
 * @typedef {object} Target
 * @property {string} what
 * @property {number} value
 * @property {'x' | 'ms' | ''} unit
 * @property {number} [atMost]
 * @property {number} [atLeast]
 */

/**
 * Figures side by side that are no ways to do the same thing; the first row is the head.
 *
 * @typedef {readonly (readonly string[])[]} Table
 */

/**
 * @typedef {object} Result
 * @property {Table} [table]
 * @property {readonly Chart[]} charts
 * @property {readonly Target[]} targets
 * @property {readonly string[]} [notes]
 */

/**
 * A group of rows: an argument of the command.
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {string} title
 * @property {number} rounds unless the command line says otherwise
 * @property {(context: import('./context.mjs').Context, rounds: number, scope: import('./scope.mjs').Scope) => Promise<Result>} run
 */

/** @typedef {{atMost: number} | {atLeast: number}} Bound */

/**
 * A target for how many times the one is of the other, median to median.
 *
 * @param {string} what
 * @param {readonly number[]} samples
 * @param {readonly number[]} others
 * @param {Bound} bound
 * @returns {Target}
 */
export function ratio(what, samples, others, bound) {
  return { what, value: median(samples) / median(others), unit: 'x', ...bound };
}

/**
 * The same from the ratios of the rounds, for differences that are smaller than what the machine
 * changes from one round to another.
 *
 * @param {string} what
 * @param {readonly number[]} samples
 * @param {readonly number[]} others of the same rounds
 * @param {Bound} bound
 * @returns {Target}
 */
export function roundsRatio(what, samples, others, bound) {
  const ratios = samples.map((sample, round) => sample / (others[round] ?? Number.NaN));
  return { what, value: median(ratios), unit: 'x', ...bound };
}

/** @param {Target} target */
export function holds({
  value,
  atMost = Number.POSITIVE_INFINITY,
  atLeast = Number.NEGATIVE_INFINITY,
}) {
  return value <= atMost && value >= atLeast;
}
