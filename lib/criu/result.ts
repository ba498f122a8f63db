import type { NativeOutcome } from '../native/contract.js';

/** What every operation tells when it has succeeded. */
export interface OperationResult {
  /** Absolute path of the images directory. */
  imagePath: string;
  /** Absolute path of CRIU's log. */
  logFile: string;
  /** What went wrong without making the operation fail, a sentence each. */
  warnings: readonly string[];
  /** Milliseconds from the call to its end. */
  durationMs: number;
}

/** What the native side has to warn of. */
export function warningsOf({ warning }: NativeOutcome): readonly string[] {
  return warning === '' ? [] : [warning];
}
