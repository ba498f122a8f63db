import { fstatSync, readSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { late } from '../base/late.js';
import type { SocketChannel } from '../channel/socket-channel.js';
import type { Slots } from '../images/self-saved.js';
import { nativeAddon } from '../native/addon.js';
import type { NewLife, ToldLife } from '../options/new-life.js';

const channels = late(() => import('../channel/socket-channel.js'));

/** The reading end of a pipe that nobody writes to. */
function pipeWithoutWriter(): number {
  const addon = nativeAddon();
  const [reader, writer] = addon.makePipe(true);
  addon.closeDescriptor(writer);
  return reader;
}

/**
 * Descriptors of this process that a restore replaces when there is something to tell, of kinds that CRIU
 * can replace in all versions: a pipe that nobody writes to by a file, and a socket that is connected with
 * nothing by one that is.
 */
export class LifeSlots {
  readonly #life: number = pipeWithoutWriter();
  readonly #channel: number = nativeAddon().unconnectedSocket();

  /** By what they go in the images. */
  get resources(): Slots {
    return {
      life: `pipe:[${inodeOf(this.#life)}]`,
      channel: `socket:[${inodeOf(this.#channel)}]`,
    };
  }

  /** What this process was told when it was brought back. */
  read(): ToldLife {
    const stat = fstatSync(this.#life);
    if (!stat.isFile()) return {};
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    for (let part = -1; part !== 0 && length < bytes.length; length += part) {
      part = readSync(this.#life, bytes, length, bytes.length - length, length);
    }
    return deserialize(bytes) as ToldLife;
  }

  /** Opens the channel to who has brought this process back. */
  async openChannel(): Promise<SocketChannel> {
    const { SocketChannel } = await channels();
    return new SocketChannel(this.#channel);
  }

  /** Closes all but a channel that has been opened. */
  close(): void {
    nativeAddon().closeDescriptor(this.#life);
    nativeAddon().closeDescriptor(this.#channel);
  }
}

function inodeOf(fd: number): bigint {
  return fstatSync(fd, { bigint: true }).ino;
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
