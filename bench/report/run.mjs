// @ts-check

/**
 * What was measured, and where.
 *
 * @typedef {object} Run
 * @property {Record<string, string>} machine
 * @property {string} command
 * @property {string} date
 * @property {{name: string, title: string, result: import('../lib/result.mjs').Result}[]} groups
 */

export {};
