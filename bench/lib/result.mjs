// @ts-check
import { median } from './statistics.mjs';

/**
 * One bar of a chart, and one line of its table.
 *
 * @typedef {object} Bar
 * @property {string} name
 * @property {readonly number[]} samples
 * @property {boolean} [ours]
 * @property {boolean} [limit] what ours could come to at best
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
 * What a row could come to at best, which the same run has measured: most often what CRIU alone takes,
 * asked in C with the best settings that do the same.
 *
 * @typedef {object} Limit
 * @property {number} value in the unit of the row
 * @property {string} by what was measured for it
 */

/**
 * What is promised, what was found, and what could be.
 *
 * @typedef {object} Target
 * @property {string} what
 * @property {number} value
 * @property {'x' | 'ms' | ''} unit
 * @property {number} [atMost]
 * @property {number} [atLeast]
 * @property {Limit} limit
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
 * @property {readonly string[]} [missing] rows that cannot be measured here, each with the reason
 */

/**
 * A group of rows: an argument of the command.
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {string} title
 * @property {number} rounds unless the command line says otherwise
 * @property {boolean} [onRequest] left out unless the command line names it
 * @property {(context: import('./context.mjs').Context, rounds: number, scope: import('./scope.mjs').Scope) => Promise<Result>} run
 */

/** @typedef {{atMost: number} | {atLeast: number}} Bound */

/**
 * What is compared with the others in place of ours.
 *
 * @typedef {{samples: readonly number[], by: string}} LimitSamples
 */

/**
 * A target for how many times the one is of the other, median to median.
 *
 * @param {string} what
 * @param {readonly number[]} samples
 * @param {readonly number[]} others
 * @param {Bound} bound
 * @param {LimitSamples} limit
 * @returns {Target}
 */
export function ratio(what, samples, others, bound, limit) {
  const value = median(samples) / median(others);
  return { what, value, unit: 'x', ...bound, limit: limitTo(others, limit) };
}

/**
 * The same from the ratios of the rounds, for differences that are smaller than what the machine
 * changes from one round to another.
 *
 * @param {string} what
 * @param {readonly number[]} samples
 * @param {readonly number[]} others of the same rounds
 * @param {Bound} bound
 * @param {LimitSamples} limit
 * @returns {Target}
 */
export function roundsRatio(what, samples, others, bound, limit) {
  const ratios = samples.map((sample, round) => sample / (others[round] ?? Number.NaN));
  return { what, value: median(ratios), unit: 'x', ...bound, limit: limitTo(others, limit) };
}

/**
 * @param {readonly number[]} others
 * @param {LimitSamples} limit
 * @returns {Limit}
 */
function limitTo(others, { samples, by }) {
  return { value: median(samples) / median(others), by };
}

/**
 * What is wrong with rows: each has a figure, one bound and a limit.
 *
 * @param {readonly Partial<Target>[]} targets
 * @returns {string[]}
 */
export function faultsOf(targets) {
  return targets.flatMap(({ what, value, atMost, atLeast, limit }) => [
    ...(Number.isFinite(value) ? [] : [`${what}: no figure`]),
    ...((atMost === undefined) === (atLeast === undefined) ? [`${what}: no target`] : []),
    ...(Number.isFinite(limit?.value) && limit?.by ? [] : [`${what}: no limit`]),
  ]);
}

/** @param {Pick<Target, 'value' | 'atMost' | 'atLeast'>} target */
export function holds({
  value,
  atMost = Number.POSITIVE_INFINITY,
  atLeast = Number.NEGATIVE_INFINITY,
}) {
  return value <= atMost && value >= atLeast;
}

/** Whether the limit alone does not meet the target. @param {Target} target */
export function limitMisses({ limit, ...target }) {
  return !holds({ ...target, value: limit.value });
}

/**
 * How many times a row is of its limit.
 *
 * @param {Target} target
 * @returns {number | undefined} undefined for a limit of 0, of which nothing is a multiple
 */
export function timesLimit({ value, limit }) {
  return limit.value === 0 ? undefined : value / limit.value;
}
