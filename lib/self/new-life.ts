import { fstatSync, readSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { nativeAddon } from '../native/addon.js';
import type { NewLife, ToldLife } from '../options/new-life.js';

/**
 * A descriptor of this process that a restore replaces when there is something to tell: a pipe that
 * nobody writes to, which CRIU can replace in all versions.
 */
export class Slot {
  readonly #fd: number = nativeAddon().pipeWithoutWriter();

  /** By what it goes in the images. */
  get resource(): string {
    return `pipe:[${fstatSync(this.#fd, { bigint: true }).ino}]`;
  }

  /** What this process was told when it was brought back. */
  read(): ToldLife {
    const stat = fstatSync(this.#fd);
    if (!stat.isFile()) return {};
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    for (let part = -1; part !== 0 && length < bytes.length; length += part) {
      part = readSync(this.#fd, bytes, length, bytes.length - length, length);
    }
    return deserialize(bytes) as ToldLife;
  }

  close(): void {
    nativeAddon().closeDescriptor(this.#fd);
  }
}

/** Gives this process the environment and the arguments of its new life. */
export function begin({ env, argv }: NewLife): void {
  if (env !== undefined) {
    for (const name of Object.keys(process.env))
      if (!Object.hasOwn(env, name)) delete process.env[name];
    Object.assign(process.env, env);
  }
  if (argv !== undefined) process.argv.splice(2, process.argv.length, ...argv);
}
