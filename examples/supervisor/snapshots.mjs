// @ts-check
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The file that CRIU writes last of the images of a dump. */
const lastWritten = 'stats-dump';

/** A directory with one directory for each snapshot, whose names are in the order of their time. */
export class Snapshots {
  #directory;
  #keep;

  /**
   * @param {string} directory
   * @param {number} keep how many snapshots stay
   */
  constructor(directory, keep) {
    this.#directory = directory;
    this.#keep = keep;
  }

  /** Where the next snapshot goes. */
  next() {
    return join(this.#directory, new Date().toISOString().replaceAll(':', '-'));
  }

  async newestFirst() {
    return (await this.#all()).reverse();
  }

  /** @returns {Promise<string[]>} those that were removed */
  async removeOld() {
    const all = await this.#all();
    const old = all.slice(0, Math.max(0, all.length - this.#keep));
    for (const path of old) await rm(path, { recursive: true });
    return old;
  }

  /** Those that are complete, the oldest first. */
  async #all() {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#directory);
    return names
      .sort()
      .map((name) => join(this.#directory, name))
      .filter((path) => existsSync(join(path, lastWritten)));
  }
}
