// @ts-check
// Where engines are measured: in namespaces of processes, mounts, networks and cgroups of their own, in which all that
// they start and keep comes to an end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { enginesReleases, findEnginesRoot } from '../../tools/engines-root.mjs';
import { root } from '../../tools/paths.mjs';
import { StepError } from '../../tools/process.mjs';

/** @typedef {'theirs' | 'ours' | 'inC'} Way */
/** @typedef {{engine: string} | {way: Way}} Question */

/**
 * A root file system, with the words of a command before that is run there.
 *
 * @typedef {object} Root
 * @property {string} name empty for that of this machine
 * @property {readonly string[]} enter
 * @property {string} node
 */

/** @type {Root} */
export const thisMachine = {
  name: '',
  enter: [join(import.meta.dirname, 'on-this-machine.sh')],
  node: process.execPath,
};

/**
 * Those of newer releases of Debian that `npm run test:engines` has made. None is made here.
 *
 * @returns {Root[]}
 */
export function otherRoots() {
  return enginesReleases.flatMap((release) => {
    const place = findEnginesRoot(release);
    const script = join(root, 'tools/in-root.sh');
    return place === undefined
      ? []
      : [
          {
            name: `Debian's ${release}`,
            enter: [script, place, root, process.execPath],
            node: 'node',
          },
        ];
  });
}

/** A process that measures one engine in a place of its own. */
export class Place {
  #child;
  #ended;

  /** @param {Root} where */
  constructor({ enter, node }) {
    const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--mount-proc', '--net'];
    // CRIU tries its sockets on the loopback device.
    const withLoopback = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
    const child = join(import.meta.dirname, 'place-child.mjs');
    // A session of its own, or a Ctrl-C would end what runs in it half-way.
    this.#child = spawn(
      'unshare',
      [...namespaces, ...withLoopback, join(root, 'tools/own-cgroups.sh'), ...enter, node, child],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true },
    );
    this.#ended = once(this.#child, 'exit');
  }

  /**
   * Starts a container in an engine.
   *
   * @param {string} engine
   * @returns {Promise<string>} the engine's version
   * @throws {StepError} with the reason why it cannot be measured here
   */
  async start(engine) {
    return /** @type {string} */ (await this.#ask({ engine }));
  }

  /**
   * One checkpoint of the container.
   *
   * @param {Way} way
   */
  async measure(way) {
    return /** @type {Record<string, number>} */ (await this.#ask({ way }));
  }

  /** Ends it with all that it has started. */
  async close() {
    if (this.#child.connected) {
      this.#child.disconnect();
    }
    await this.#ended;
  }

  /**
   * @param {Question} question
   * @returns {Promise<unknown>}
   */
  async #ask(question) {
    if (!this.#child.connected) {
      throw new StepError('its process has ended');
    }
    const answered = once(this.#child, 'message');
    const gone = this.#ended.then(() => [{ error: 'its process has ended' }]);
    this.#child.send(question);
    const [{ value, reason, error }] = await Promise.race([answered, gone]);
    if (reason !== undefined) {
      throw new StepError(reason);
    }
    if (error !== undefined) {
      throw new Error(error);
    }
    return value;
  }
}
