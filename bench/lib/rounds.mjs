// @ts-check
import { setTimeout as delay } from 'node:timers/promises';
import { checkInterrupt } from './interrupt.mjs';
import { shuffled } from './statistics.mjs';

/**
 * One way to do a thing. What it returns are the figures of one time, by name.
 *
 * @typedef {object} Variant
 * @property {string} name
 * @property {() => Promise<Record<string, number>>} measure
 * @property {number} [every] only one round of so many, for what is no target
 */

/** Until spare processes are started and ended ones are gone. */
const restMs = 30;

/** In how many rounds a limit is measured once: what is compared with a target is measured in each. */
export const limitEvery = 2;

/** All figures of a run. */
export class Samples {
  /** @type {Map<string, number[]>} */
  #figures = new Map();

  /**
   * @param {string} variant
   * @param {Record<string, number>} figures
   */
  add(variant, figures) {
    for (const [figure, value] of Object.entries(figures)) {
      const key = `${variant}\n${figure}`;
      const samples = this.#figures.get(key) ?? [];
      samples.push(value);
      this.#figures.set(key, samples);
    }
  }

  /**
   * @param {string} variant
   * @param {string} figure
   * @returns {readonly number[]} in the order of the rounds
   */
  of(variant, figure) {
    const samples = this.#figures.get(`${variant}\n${figure}`);
    if (!samples) {
      throw new Error(`${variant} has no ${figure}`);
    }
    return samples;
  }
}

/**
 * Measures all variants in each round, each time in another order, so that what changes on the
 * machine meanwhile changes all of them. The first rounds only warm up.
 *
 * @param {readonly Variant[]} variants
 * @param {number} rounds
 * @param {{warmUp?: number}} [settings]
 */
export async function runRounds(variants, rounds, { warmUp = 2 } = {}) {
  const samples = new Samples();
  for (let round = -warmUp; round < rounds; round++) {
    for (const { name, measure, every = 1 } of shuffled(variants)) {
      checkInterrupt();
      if (round % every !== 0) {
        continue;
      }
      await delay(restMs);
      const figures = await measure();
      if (round >= 0) {
        samples.add(name, figures);
      }
    }
  }
  return samples;
}
