/** A reader of bytes that others have written. */
export interface Reader {
  readonly name: string;
  /** The codes of the errors it may throw; `Error` allows one without a code. */
  readonly throws: readonly string[];
  /** Reads, and throws `Wrong` when what comes out cannot be right. */
  readonly read: (input: Buffer) => unknown;
}

/** A result that breaks what its reader promises. */
export class Wrong extends Error {}
