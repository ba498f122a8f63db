import { option, sentence } from '../base/sentence.js';
import { refuseArchive } from './fault.js';

/** How much an archive may hold. */
export interface ArchiveLimits {
  /** Members, in it and in each archive inside of it. */
  readonly maxEntries: number;
  /** Bytes that its members have when they are unpacked. */
  readonly maxBytes: number;
  /** How many times as large as the compressed data what comes out of it may be. */
  readonly maxRatio: number;
}

/** So many bytes may come out of an archive before their ratio counts: an empty heap is all zeros. */
const ratioFreeBytes = 2 ** 28;
/** Names and extended headers are kept in memory. */
const maxNameBytes = 2 ** 26;

/** Counts what is read of one archive in one pass, and refuses what is beyond the limits. */
export class Count {
  readonly limits: ArchiveLimits;
  readonly #check: () => void;
  #entries = 0;
  #bytes = 0;
  #nameBytes = 0;

  /** @param check - Called now and then; it throws when the operation has been given up. */
  constructor(limits: ArchiveLimits, check: () => void = () => {}) {
    this.limits = limits;
    this.#check = check;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For an archive inside of this one. */
  inner(): Count {
    return new Count(this.limits, this.#check);
  }

  /** Throws when the operation has been given up. */
  check(): void {
    this.#check();
  }

  /** Counts a member, or an extended header, by the size that its header says. */
  member(size: number): void {
    this.#check();
    this.#entries += 1;
    this.#bytes += size;
    const { maxEntries, maxBytes } = this.limits;
    if (this.#entries > maxEntries) {
      refuseArchive(
        sentence`it has more than ${maxEntries} members, which is ${option('maxEntries')}`,
      );
    }
    if (this.#bytes > maxBytes) {
      refuseArchive(
        sentence`its members have more than ${maxBytes} bytes, which is ${option('maxBytes')}`,
      );
    }
  }

  /** Counts the bytes of a name, or of what else is kept of a header. */
  name(bytes: number): void {
    this.#nameBytes += bytes;
    if (this.#nameBytes > maxNameBytes)
      refuseArchive('the names of its members take too much memory');
  }

  /** Compares what has been decompressed with what it was made of. */
  decompressed(from: number, to: number): void {
    this.#check();
    const { maxBytes, maxRatio } = this.limits;
    // Headers and padding come on top of what the members have.
    if (to > maxBytes * 2 + ratioFreeBytes) {
      refuseArchive(
        sentence`more than ${maxBytes} bytes come out of it, which is ${option('maxBytes')}`,
      );
    }
    if (to > ratioFreeBytes && to > from * maxRatio) {
      refuseArchive(
        sentence`what comes out of it is more than ${maxRatio} times as large, which is
          ${option('maxRatio')}`,
      );
    }
  }
}
