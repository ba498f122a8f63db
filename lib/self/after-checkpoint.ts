import type { Channel } from '../channel/channel.js';

/** What goes on after a checkpoint of this process. */
export interface AfterCheckpoint {
  /** Whether this is the process that was brought back, and not the one that was saved. */
  restored: boolean;
  /** What {@link restore} was given as `data` for the process that was brought back; otherwise undefined. */
  data: unknown;
  /**
   * Messages to and from who has restored it with `channel`; otherwise undefined, and on all threads but
   * that which has called {@link checkpointSelf}.
   */
  channel: Channel | undefined;
}
