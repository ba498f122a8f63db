import { randomInt, randomUUID } from 'node:crypto';
import { nativeAddon } from '../native/addon.js';

/** How many random numbers and UUIDs Node makes ahead. */
const cachedNumbers = 1024;
const cachedUuids = 128;

/**
 * Two processes that are brought back from the same images would go on with the same random bytes:
 * OpenSSL's state is in the images, and so is what Node has taken from it ahead. V8's
 * `Math.random()` cannot be seeded anew.
 */
export function renewRandomness(): void {
  nativeAddon().reseed();
  for (let count = 0; count <= cachedNumbers; count++) randomInt(2);
  for (let count = 0; count <= cachedUuids; count++) randomUUID();
}
