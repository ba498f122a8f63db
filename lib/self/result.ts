import type { Channel } from '../channel/channel.js';
import type { OperationResult } from '../criu/result.js';
import type { DumpStats } from '../images/stats.js';

/**
 * What `checkpointSelf()` tells the process that goes on. In one that was brought back,
 * `durationMs` includes the time for which it did not run.
 */
export interface SelfCheckpoint extends OperationResult {
  /** Whether this is the process that was brought back, and not the one that was saved. */
  restored: boolean;
  /** What {@link restore} was given as `data` for the process that was brought back; otherwise undefined. */
  data: unknown;
  /** Messages to and from who has restored this process with `channel`; otherwise undefined. */
  channel: Channel | undefined;
  /** CRIU's own figures; undefined in the process that was brought back. */
  stats: DumpStats | undefined;
}
