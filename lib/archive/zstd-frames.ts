import { refuseArchive, refuseCutShort } from './fault.js';

/** The largest window that `zstd` itself takes without being told to. */
const maxWindow = 2 ** 27;
/** The largest block that the format knows. */
const maxBlock = 2 ** 17;
const frameMagic = 0xfd2fb528;

type Part = 'magic' | 'descriptor' | 'header' | 'block' | 'skippable';

/**
 * Follows the frames and blocks of zstd data without decompressing them (RFC 8878, section 3). A decoder
 * takes the memory that a frame asks for, and not every one tells that the data is cut short.
 */
export class ZstdFrames {
  #part: Part = 'magic';
  /** How many bytes the part has. */
  #wanted = 4;
  #held = Buffer.alloc(0);
  /** Bytes up to the next part. */
  #toSkip = 0;
  #descriptor = 0;

  /** Looks at the next bytes. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(this.#toSkip, rest.length);
      this.#toSkip -= skipped;
      rest = rest.subarray(skipped);
      const taken = rest.subarray(0, this.#wanted - this.#held.length);
      this.#held = Buffer.concat([this.#held, taken]);
      rest = rest.subarray(taken.length);
      if (this.#held.length === this.#wanted) this.#step();
    }
  }

  /** Says that there are no more bytes. */
  end(): void {
    if (this.#part !== 'magic' || this.#held.length > 0 || this.#toSkip > 0) refuseCutShort();
  }

  #step(): void {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    switch (this.#part) {
      case 'magic':
        this.#magic(held.readUInt32LE());
        break;
      case 'descriptor':
        this.#takeDescriptor(held.readUInt8());
        break;
      case 'header':
        this.#header(held);
        break;
      case 'block':
        this.#block(held.readUIntLE(0, 3));
        break;
      case 'skippable':
        this.#toSkip = held.readUInt32LE();
        this.#expect('magic', 4);
    }
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part;
    this.#wanted = bytes;
  }

  #magic(magic: number): void {
    if (magic === frameMagic) this.#expect('descriptor', 1);
    else if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) this.#expect('skippable', 4);
    else refuseArchive('its zstd data is damaged');
  }

  #takeDescriptor(descriptor: number): void {
    if ((descriptor & 0b1000) !== 0) refuseArchive('its zstd data is damaged');
    if ((descriptor & 0b11) !== 0) refuseArchive('its zstd data needs a dictionary');
    this.#descriptor = descriptor;
    this.#expect('header', (this.#isSingle ? 0 : 1) + this.#sizeBytes);
  }

  /** Whether the frame has no window beside its content. */
  get #isSingle(): boolean {
    return (this.#descriptor & 0b100000) !== 0;
  }

  get #sizeBytes(): number {
    const flag = this.#descriptor >> 6;
    return flag === 0 ? Number(this.#isSingle) : 1 << flag;
  }

  #header(header: Buffer): void {
    const window = this.#isSingle ? contentSize(header) : windowSize(header.readUInt8());
    if (window > maxWindow) {
      refuseArchive(`its zstd data needs a window of ${window} bytes, more than ${maxWindow}`);
    }
    this.#expect('block', 3);
  }

  #block(header: number): void {
    const type = (header >> 1) & 0b11;
    const size = header >> 3;
    if (type === 0b11 || size > maxBlock) refuseArchive('its zstd data is damaged');
    this.#toSkip = type === 0b01 ? 1 : size;
    const isLast = (header & 1) === 1;
    if (isLast && (this.#descriptor & 0b100) !== 0) this.#toSkip += 4; // the checksum
    if (isLast) this.#expect('magic', 4);
    else this.#expect('block', 3);
  }
}

function contentSize(bytes: Buffer): number {
  if (bytes.length === 8) return Number(bytes.readBigUInt64LE());
  return bytes.readUIntLE(0, bytes.length) + (bytes.length === 2 ? 256 : 0);
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 0b111);
}
