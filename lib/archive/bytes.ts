import { readFd } from '../base/files.js';
import { refuseCutShort } from './fault.js';

/** Bytes that are read from the first to the last. */
export interface Bytes {
  /** Reads the next ones: at least one and at most `max`, or none at the end. */
  read(max: number): Promise<Buffer>;
  /** Passes over the next ones, and tells how many there were of them. */
  skip(count: number): Promise<number>;
}

/** So many bytes are read at once where nobody says otherwise. */
export const chunkSize: number = 2 ** 18;

/** A part of an open file. Passing over bytes costs nothing. */
export class FileBytes implements Bytes {
  readonly #fd: number;
  readonly #end: number;
  #position: number;

  constructor(fd: number, start: number, end: number) {
    this.#fd = fd;
    this.#position = start;
    this.#end = end;
  }

  async read(max: number): Promise<Buffer> {
    const length = Math.min(max, this.#end - this.#position);
    if (length <= 0) return Buffer.alloc(0);
    const { buffer, bytesRead } = await readFd(
      this.#fd,
      Buffer.allocUnsafe(length),
      0,
      length,
      this.#position,
    );
    this.#position += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  async skip(count: number): Promise<number> {
    const skipped = Math.min(count, this.#end - this.#position);
    this.#position += skipped;
    return skipped;
  }
}

/** What comes in pieces. */
export class StreamBytes implements Bytes {
  readonly #pieces: AsyncGenerator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncGenerator<Buffer>) {
    this.#pieces = pieces;
  }

  async read(max: number): Promise<Buffer> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return Buffer.alloc(0);
      this.#piece = value;
    }
    const read = this.#piece.subarray(0, max);
    this.#piece = this.#piece.subarray(read.length);
    return read;
  }

  async skip(count: number): Promise<number> {
    let left = count;
    while (left > 0) {
      const { length } = await this.read(left);
      if (length === 0) break;
      left -= length;
    }
    return count - left;
  }
}

/** Bytes that have been looked at, and those after them. */
export class PeekedBytes implements Bytes {
  #seen: Buffer;
  readonly #rest: Bytes;

  constructor(seen: Buffer, rest: Bytes) {
    this.#seen = seen;
    this.#rest = rest;
  }

  async read(max: number): Promise<Buffer> {
    if (this.#seen.length === 0) return await this.#rest.read(max);
    const read = this.#seen.subarray(0, max);
    this.#seen = this.#seen.subarray(read.length);
    return read;
  }

  async skip(count: number): Promise<number> {
    const seen = Math.min(count, this.#seen.length);
    this.#seen = this.#seen.subarray(seen);
    return seen + (count > seen ? await this.#rest.skip(count - seen) : 0);
  }
}

/** So many bytes of others, which must have that many. */
export class PartBytes implements Bytes {
  readonly #whole: Bytes;
  readonly #check: () => void;
  #left: number;

  /** @param check - Called at each reading; it throws when the operation has been given up. */
  constructor(whole: Bytes, size: number, check: () => void) {
    this.#whole = whole;
    this.#left = size;
    this.#check = check;
  }

  async read(max: number): Promise<Buffer> {
    this.#check();
    if (this.#left === 0) return Buffer.alloc(0);
    const read = await this.#whole.read(Math.min(max, this.#left));
    if (read.length === 0) refuseCutShort();
    this.#left -= read.length;
    return read;
  }

  async skip(count: number): Promise<number> {
    const wanted = Math.min(count, this.#left);
    if ((await this.#whole.skip(wanted)) < wanted) refuseCutShort();
    this.#left -= wanted;
    return wanted;
  }

  /** Passes over what has not been read. */
  async finish(): Promise<void> {
    await this.skip(this.#left);
  }
}

/** Bytes in memory. */
export function bytesOf(content: Buffer): Bytes {
  return new PeekedBytes(content, { read: async () => Buffer.alloc(0), skip: async () => 0 });
}

/** Reads so many bytes; fewer where there are no more. */
export async function readUpTo(bytes: Bytes, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let left = count; left > 0; ) {
    const piece = await bytes.read(left);
    if (piece.length === 0) break;
    pieces.push(piece);
    left -= piece.length;
  }
  const [first = Buffer.alloc(0)] = pieces;
  return pieces.length > 1 ? Buffer.concat(pieces) : first;
}

/** All that are left, in pieces. */
export async function* piecesOf(bytes: Bytes): AsyncGenerator<Buffer> {
  for (;;) {
    const piece = await bytes.read(chunkSize);
    if (piece.length === 0) return;
    yield piece;
  }
}
