// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkpoint, listContainers, restoreContainer } from 'libcriu';

/** One container of runc. */
export class Container {
  #id;
  #bundle;

  /**
   * @param {string} id
   * @param {string} bundle the directory of its config.json
   */
  constructor(id, bundle) {
    this.#id = id;
    this.#bundle = bundle;
  }

  async start() {
    await this.#removeEnded();
    await runc('run', '--detach', '--bundle', this.#bundle, this.#id);
  }

  /** @param {string} imagePath */
  async restore(imagePath) {
    await this.#removeEnded();
    await restoreContainer(this.#id, { imagePath, bundle: this.#bundle });
  }

  /**
   * Without `leaveRunning` the container is gone afterwards.
   *
   * @param {string} imagePath
   * @param {{leaveRunning?: boolean}} [options]
   */
  save(imagePath, options = {}) {
    return checkpoint(this.#id, { ...options, imagePath, timeoutMs: 60_000 });
  }

  /**
   * @param {number} milliseconds
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} false if the time or the signal came first
   */
  async waitForEnd(milliseconds, signal) {
    // A timeout within AbortSignal.any() would not do: Node.js 20 can collect it before it fires.
    const end = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0 && !signal.aborted; left = end - performance.now()) {
      if ((await this.#state()) !== 'running') return true;
      await sleep(Math.min(200, left), undefined, { signal }).catch(() => {});
    }
    return false;
  }

  async #state() {
    const { containers } = await listContainers();
    return containers.find(({ engine, id }) => engine === 'runc' && id === this.#id)?.state;
  }

  /** What runc keeps of one that has ended by itself. */
  async #removeEnded() {
    if ((await this.#state()) === 'stopped') await runc('delete', this.#id);
  }
}

/** @param {readonly string[]} args */
async function runc(...args) {
  // A detached container has the standard streams of runc.
  const child = spawn('runc', args, { stdio: 'ignore' });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`runc ${args.join(' ')} ended with exit status ${status}`);
}
