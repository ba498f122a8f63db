// @ts-check
import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';
import { until } from './workload.mjs';

/** @typedef {import('./context.mjs').Context} Context */

/** Wake-ups of the ticker, each 300 us, until a container counts as having settled. */
const settledTicks = 60;

/** A container whose ticker tells how long it stood still, whatever has made it. */
export class TickingContainer {
  #context;
  /** Where its runtime keeps what it knows of it. */
  stateRoot;

  /**
   * @param {Context} context
   * @param {string} stateRoot
   */
  constructor(context, stateRoot) {
    this.#context = context;
    this.stateRoot = stateRoot;
  }

  /** To be called by that in the runtime's state. */
  get id() {
    return '';
  }

  /** The file of its ticker. */
  get ticks() {
    return '';
  }

  /** What it takes for a request of CRIU, as it runs now. */
  facts() {
    return this.#context.factsOf(this.id, this.stateRoot);
  }

  /** Lets others have the processor until {@link wake}. */
  async rest() {
    await this.#context.harness.command('freeze', await this.#freezer());
  }

  async wake() {
    await this.#context.harness.command('thaw', await this.#freezer());
    await this.settle(this.#read(0));
  }

  /**
   * Waits until it is at work.
   *
   * @param {number} [before] the number of ticks then
   */
  async settle(before = 0) {
    await until(`${this.id} ticks`, () => this.#read(0) > before + settledTicks);
  }

  /** How often the ticker has woken up. */
  count() {
    return this.#read(0);
  }

  /** Forgets the longest time without a tick. */
  resetPause() {
    const file = openSync(this.ticks, 'r+');
    writeSync(file, Buffer.alloc(8), 0, 8, 8);
    closeSync(file);
  }

  /**
   * The longest time without a tick since {@link resetPause}.
   *
   * @returns {Promise<number>} milliseconds
   */
  async pause() {
    // The tick that ends the pause may still be to come.
    const before = this.#read(0);
    await until(`${this.id} ticks`, () => this.#read(0) > before + 2);
    return this.#read(8) / 1e6;
  }

  async #freezer() {
    const { fields } = await this.facts();
    if (fields.freeze_cgroup === undefined) {
      throw new Error(`${this.id} has no cgroup that can be frozen`);
    }
    return fields.freeze_cgroup;
  }

  /** @param {number} offset */
  #read(offset) {
    if (!existsSync(this.ticks)) {
      return 0;
    }
    const file = openSync(this.ticks, 'r');
    const buffer = Buffer.alloc(8);
    const length = readSync(file, buffer, 0, 8, offset);
    closeSync(file);
    return length === 8 ? Number(buffer.readBigInt64LE()) : 0;
  }
}
