import { randomFillSync, randomInt, randomUUID } from 'node:crypto';
import { nativeAddon } from '../native/addon.js';

/** How many random numbers and UUIDs Node.js makes ahead. */
const cachedNumbers = 1024;
const cachedUuids = 128;

/** As many numbers of V8's generator are passed over, at most. */
const mostPassed = 2 ** 16;

/** V8's own, if nobody has replaced it before the first restore. */
const ofV8 = isOfV8(Math.random) ? Math.random : undefined;
/** What `Math.random()` is after a restore; undefined before the first. */
let ours: (() => number) | undefined;

/**
 * Two processes that are brought back from the same images would go on with the same random numbers:
 * the states of OpenSSL and of V8 are in the images, and so is what Node.js has taken from them ahead.
 */
export function renewRandomness(): void {
  // All threads have theirs from one generator, and take a new seed when that has one.
  nativeAddon().reseed();
  for (let count = 0; count <= cachedNumbers; count++) randomInt(2);
  for (let count = 0; count <= cachedUuids; count++) randomUUID();
  renewMath();
}

/**
 * V8's generator cannot be seeded anew, so `Math.random` becomes another function. For who has kept the
 * former one, it goes on from somewhere else.
 */
function renewMath(): void {
  for (let left = randomInt(mostPassed); left > 0; left--) ofV8?.();
  // Whoever has replaced it, for numbers that are the same each time, does not want others.
  if (Math.random !== ours && !isOfV8(Math.random)) return;
  ours = randomOf(new Uint32Array(512));
  Math.random = ours;
}

function isOfV8(random: () => number): boolean {
  return Function.prototype.toString.call(random).includes('[native code]');
}

/** Makes numbers from 0 to less than 1 of random bytes, of which there are some in a buffer. */
function randomOf(words: Uint32Array): () => number {
  let used = words.length;
  return function random() {
    if (used === words.length) {
      randomFillSync(words);
      used = 0;
    }
    const high = words[used++] ?? 0;
    const low = words[used++] ?? 0;
    // The 53 bits that a number has.
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  };
}
