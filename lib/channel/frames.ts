import { deserialize, serialize } from 'node:v8';
import { invalidArgType, invalidArgValue } from '../base/errors.js';

/** The most bytes of one message. */
const mostBytes = 64 * 1024 * 1024;
/** The length of what follows, and its kind. */
const headerBytes = 5;

/** What a frame is for. The numbers are between two versions of this package, and stay. */
export const kinds = { message: 0, ping: 1, pong: 2, task: 3, answer: 4 } as const;

/** One of {@link kinds}. */
export type Kind = (typeof kinds)[keyof typeof kinds];

/** A frame that has come. */
export interface Frame {
  kind: number;
  value: unknown;
  /** Its length on the way. */
  bytes: number;
}

/**
 * What is sent of a value.
 *
 * @throws TypeError for what cannot be cloned, RangeError for what is too large.
 */
export function encode(kind: Kind, value: unknown): [header: Buffer, body: Buffer] {
  let body: Buffer;
  try {
    body = serialize(value);
  } catch {
    // Node.js quotes a function with all of its text.
    throw invalidArgType('message', 'a value that can be cloned', typeof value);
  }
  if (body.length > mostBytes) {
    throw invalidArgValue('message', `at most ${mostBytes} bytes`, `${body.length} bytes`);
  }
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(body.length);
  header.writeUInt8(kind, 4);
  return [header, body];
}

/** Puts frames together from what comes in parts. */
export class Decoder {
  #parts: Buffer[] = [];
  #length = 0;

  /**
   * Adds what has come.
   *
   * @returns the frames that are complete by that.
   * @throws for what no other side of ours has sent.
   */
  push(part: Buffer): Frame[] {
    this.#parts.push(part);
    this.#length += part.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#length < headerBytes) return undefined;
    const header = this.#head(headerBytes);
    const bytes = header.readUInt32LE();
    if (bytes > mostBytes) throw new RangeError(`A message of ${bytes} bytes is too large`);
    if (this.#length < headerBytes + bytes) return undefined;
    const all = this.#head(headerBytes + bytes);
    this.#parts[0] = all.subarray(headerBytes + bytes);
    this.#length -= headerBytes + bytes;
    const value: unknown = deserialize(all.subarray(headerBytes, headerBytes + bytes));
    return { kind: header.readUInt8(4), value, bytes };
  }

  /** The first parts as one of at least so many bytes. A large message is put together only once. */
  #head(length: number): Buffer {
    const [first = Buffer.alloc(0)] = this.#parts;
    if (first.length >= length) return first;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [whole];
    return whole;
  }
}
