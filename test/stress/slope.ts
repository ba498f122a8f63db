/** A straight line through samples, and how sure it is that it rises. */
export interface Slope {
  /** The median of the slopes between all pairs of samples (Theil and Sen): outliers do not count. */
  perRound: number;
  /** The part of those slopes that is as high, of 95 of 100 drawings: its lower bound. */
  lowest: number;
  highest: number;
}

/** What is left out at the beginning, when caches and heaps fill. */
const warmUp = 0.3;

/** The 97.5th percentile of the normal distribution. */
const z95 = 1.96;

/**
 * Theil and Sen's estimate with the 95 % interval that Kendall's statistic gives: none of it assumes
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
  const spread = z95 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
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
