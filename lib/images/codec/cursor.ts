import { refuseCutShort } from './fault.js';

/** Takes bytes apart from the first to the last. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** A number of 32 bits. */
  uint32(): number {
    return this.#view.getUint32(this.#pass(4), true);
  }

  /** So many bytes. */
  take(count: number): Uint8Array {
    const start = this.#pass(count);
    return this.bytes.subarray(start, start + count);
  }

  /** All bytes that are left. */
  rest(): Uint8Array {
    return this.take(this.bytes.length - this.#at);
  }

  #pass(count: number): number {
    const start = this.#at;
    if (count > this.bytes.length - start) refuseCutShort();
    this.#at += count;
    return start;
  }
}
