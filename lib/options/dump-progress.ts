import type { Stage } from '../base/stage.js';

/** How far a dump has come, as the option `onProgress` hears of it. */
export interface DumpProgress {
  /** What CRIU is doing: that which follows its last notification. */
  stage: Stage;
  /** Pages of memory that have been written; undefined where a page server gets them. */
  pages: number | undefined;
  /** The same in bytes. */
  bytes: number | undefined;
  /**
   * Bytes that the processes have in memory, of which most will be written; undefined where it is not
   * known how much has changed since an earlier pre-dump.
   */
  expectedBytes: number | undefined;
  /** Milliseconds since the call. */
  elapsedMs: number;
}
