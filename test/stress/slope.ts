/** A straight line through samples, and how sure it is that it rises. */
export interface Slope {
  /** The median of the slopes between all pairs of samples (Theil and Sen): outliers do not count. */
  perRound: number;
  /** Between these two the true one lies, 999 of 1,000 times. */
  lowest: number;
  highest: number;
}

/** What is left out at the beginning, when caches and heaps fill. */
const warmUp = 0.3;

/**
 * Of the normal distribution: outside of this are 1 of 1,000 drawings. A soak looks at two dozen lines,
 * of which none may be taken for rising by chance.
 */
const z999 = 3.29;

/**
 * Theil and Sen's estimate with the 99.9 % interval that Kendall's statistic gives: none of it assumes
 * how the noise is spread.
 */
export function slopeOf(samples: readonly { round: number; value: number }[]): Slope {
  const used = samples.slice(Math.floor(samples.length * warmUp));
  const slopes: number[] = [];
  for (const [index, later] of used.entries()) {
    for (const before of used.slice(0, index)) {
      if (later.round > before.round)
        slopes.push((later.value - before.value) / (later.round - before.round));
    }
  }
  if (slopes.length === 0) return { perRound: 0, lowest: 0, highest: 0 };
  slopes.sort((a, b) => a - b);
  const n = used.length;
  const spread = z999 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (rank: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))] ?? 0;
  return {
    perRound: at((slopes.length - 1) / 2),
    lowest: at((slopes.length - spread) / 2),
    highest: at((slopes.length + spread) / 2),
  };
}

/**
 * Whether it does not grow: either it may as well be level, or it grows by less in all of the rounds
 * than anybody would notice.
 *
 * @param tolerated - Growth over all rounds that counts as none.
 */
export function isFlat({ perRound, lowest }: Slope, rounds: number, tolerated: number): boolean {
  return lowest <= 0 || perRound * rounds <= tolerated;
}

/**
 * Whether a number of things has grown, after the warm-up: a line through a few whole numbers tells
 * little. Each of the last third is higher than each of the first.
 */
export function hasGrown(samples: readonly { value: number }[]): boolean {
  const used = samples.slice(Math.floor(samples.length * warmUp)).map(({ value }) => value);
  const third = Math.floor(used.length / 3);
  if (third === 0) return false;
  return Math.min(...used.slice(-third)) > Math.max(...used.slice(0, third));
}
