import type { EventEmitter } from 'node:events';

/** What a {@link Channel} tells of. */
export interface ChannelEvents {
  /** A message of the other side, cloned as by `v8.serialize()`. */
  message: [message: unknown];
  /** The other side is gone, or one side has disconnected. No message comes any more. */
  disconnect: [];
}

/**
 * Messages between the process that restores and the restored program, in both directions, as between
 * a parent and a child of `child_process.fork()`. Messages that come while nobody listens for
 * `'message'` are kept until somebody does. The channel keeps a process alive while somebody listens for
 * `'message'` or `'disconnect'`, unless `unref()` says otherwise.
 */
export interface Channel extends EventEmitter<ChannelEvents> {
  /** Whether messages can still be sent. */
  readonly connected: boolean;
  /**
   * Sends a message.
   *
   * @param message - Anything that `v8.serialize()` takes, of at most 64 MiB.
   * @returns false when so much waits to be sent that it is better to wait before sending more, and when
   * the channel is disconnected.
   * @throws TypeError for what cannot be cloned, RangeError for what is too large.
   */
  send(message: unknown): boolean;
  /** Ends the channel, after what has been sent. */
  disconnect(): void;
  /** Has the channel keep this process alive. */
  ref(): void;
  /** Has the channel not keep this process alive. */
  unref(): void;
}
