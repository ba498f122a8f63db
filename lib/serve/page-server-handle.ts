import type { OperationResult } from '../criu/result.js';

/** What a page server has received. Its `imagePath` now holds the memory. */
export interface PageServerResult extends OperationResult {
  /** The IP address that the memory came from. */
  peer: string;
  /** Size of all memory images. */
  bytes: number;
  /** Milliseconds from the first byte to the last. */
  transferMs: number;
}

/** A page server that waits for its one sender. */
export interface PageServerHandle extends AsyncDisposable {
  /** The IP address that it listens on. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  /**
   * Resolves when a dump has sent all its memory. Rejects with a CriuError when the transfer
   * failed, and with an AbortError after `close` or an abort; what was received is removed then.
   */
  readonly finished: Promise<PageServerResult>;
  /** Ends it, whatever it is doing, and waits until all is cleaned up. Never rejects. */
  close(): Promise<void>;
}
