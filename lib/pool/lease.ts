import type { EventEmitter } from 'node:events';
import type { Channel, ChannelEvents } from '../channel/channel.js';
import type { ChildExit } from '../process/restore-result.js';
import type { AcquiredClone, RunOptions } from './pool.js';
import { endedError, type PooledClone } from './pooled-clone.js';

/** What the pool does for those who have a clone. */
interface Owner {
  run(clone: PooledClone, task: unknown, options: RunOptions): Promise<unknown>;
  release(clone: PooledClone): void;
}

/** A clone in the hands of somebody, until it is released. */
export class Lease implements AcquiredClone {
  readonly number: number;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  readonly on: EventEmitter<ChannelEvents>['on'];
  readonly #clone: PooledClone;
  readonly #owner: Owner;
  #isReleased = false;

  constructor(clone: PooledClone, owner: Owner) {
    this.number = clone.number;
    this.pid = clone.pid;
    this.exited = clone.exited;
    this.#clone = clone;
    this.#owner = owner;
    this.on = (...given) => this.channel.on(...given);
    clone.channel.keepMessages(true);
  }

  get channel(): Channel {
    if (this.#isReleased) throw endedError(this, 'has been released');
    return this.#clone.channel;
  }

  send(message: unknown): boolean {
    return this.channel.send(message);
  }

  async run(task: unknown, options: RunOptions = {}): Promise<unknown> {
    if (this.#isReleased) throw endedError(this, 'has been released');
    return await this.#owner.run(this.#clone, task, options);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const { channel } = this.#clone;
    channel.removeAllListeners('message');
    channel.keepMessages(false);
    this.#owner.release(this.#clone);
  }

  async end(): Promise<void> {
    const ended = this.#clone.end('asked');
    this.release();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}
