// @ts-check

/**
 * The value below which this part of the samples lies, interpolated between neighbours.
 *
 * @param {readonly number[]} samples
 * @param {number} part 0 to 1
 */
export function quantile(samples, part) {
  if (samples.length === 0) {
    return Number.NaN;
  }
  const sorted = samples.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * part;
  const below = Math.floor(position);
  const low = /** @type {number} */ (sorted[below]);
  const high = sorted[below + 1] ?? low;
  return low + (high - low) * (position - below);
}

/** @param {readonly number[]} samples */
export function median(samples) {
  return quantile(samples, 0.5);
}

/** @typedef {{median: number, p10: number, p90: number, count: number}} Summary */

/**
 * @param {readonly number[]} samples
 * @returns {Summary}
 */
export function summarize(samples) {
  return {
    median: median(samples),
    p10: quantile(samples, 0.1),
    p90: quantile(samples, 0.9),
    count: samples.length,
  };
}

/**
 * A copy in random order.
 *
 * @template T
 * @param {readonly T[]} items
 */
export function shuffled(items) {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    const item = /** @type {T} */ (copy[last]);
    copy[last] = /** @type {T} */ (copy[other]);
    copy[other] = item;
  }
  return copy;
}
