import { expect, test } from 'vitest';
import { seeded } from '../../stress/bench.js';
import { hasGrown, isFlat, slopeOf } from '../../stress/slope.js';

const random = seeded(7);
const noise = (size: number): number => (random() - 0.5) * size;

/** Forty samples, as a soak of 4,000 rounds takes them. */
const samples = (value: (index: number) => number): { round: number; value: number }[] =>
  Array.from({ length: 40 }, (_, index) => ({ round: (index + 1) * 100, value: value(index) }));

test('a level line with noise is flat', () => {
  for (let tried = 0; tried < 20; tried++) {
    const slope = slopeOf(samples(() => 50_000 + noise(4_000)));
    expect(isFlat(slope, 4_000, 1024)).toBe(true);
  }
});

test('what fills at the beginning, and then stays, is flat', () => {
  const slope = slopeOf(samples((index) => 50_000 + Math.min(index, 8) * 3_000 + noise(500)));
  expect(isFlat(slope, 4_000, 1024)).toBe(true);
});

test('a leak of 1.1 MB in 100 rounds is seen beneath noise of several', () => {
  const slope = slopeOf(samples((index) => 50_000 + index * 1_100 + noise(6_000)));
  expect(isFlat(slope, 4_000, 1024)).toBe(false);
  expect(slope.perRound * 100).toBeGreaterThan(900);
  expect(slope.perRound * 100).toBeLessThan(1_300);
  expect(slope.lowest).toBeLessThan(slope.perRound);
  expect(slope.highest).toBeGreaterThan(slope.perRound);
});

test('one descriptor in a thousand rounds is seen', () => {
  expect(hasGrown(samples((index) => 20 + Math.floor(index / 10)))).toBe(true);
  expect(hasGrown(samples(() => 20 + Math.round(noise(2))))).toBe(false);
  expect(hasGrown(samples((index) => (index < 8 ? 12 : 20)))).toBe(false);
  expect(hasGrown([{ value: 1 }])).toBe(false);
});

test('one sample that is far off is not taken for growth', () => {
  const slope = slopeOf(samples((index) => (index === 39 ? 90_000 : 50_000 + noise(100))));
  expect(isFlat(slope, 4_000, 1024)).toBe(true);
});

test('too few samples to tell', () => {
  expect(slopeOf([])).toEqual({ perRound: 0, lowest: 0, highest: 0 });
  expect(slopeOf([{ round: 100, value: 1 }])).toEqual({ perRound: 0, lowest: 0, highest: 0 });
});
