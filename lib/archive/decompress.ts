import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errnoOf, reason } from '../base/errors.js';
import { type Bytes, chunkSize, PeekedBytes, piecesOf, readUpTo, StreamBytes } from './bytes.js';
import { type Compression, magics } from './compression.js';
import { refuseArchive, refuseCutShort } from './fault.js';
import type { Count } from './limits.js';
import { checkedFrames, decompressZstd, zstdDecompressor } from './zstd.js';

/** What compressed data is known by that neither an engine nor we make. */
const others: readonly (readonly [name: string, magic: Buffer])[] = [
  ['bzip2', Buffer.from('BZh', 'latin1')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a])],
  ['lz4', Buffer.from([0x04, 0x22, 0x4d, 0x18])],
];

/**
 * Reads an archive whatever its compression, which its first bytes tell.
 *
 * @param read - Reads what comes out.
 */
export async function* decompressing<T>(
  bytes: Bytes,
  count: Count,
  read: (plain: Bytes, compression: Compression) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const first = await readUpTo(bytes, 5);
  const whole = new PeekedBytes(first, bytes);
  const compression = compressionOf(first);
  if (compression === 'none') {
    yield* read(whole, compression);
    return;
  }
  const source = new Source(whole);
  const pieces = decompressed(compression, source, count);
  try {
    yield* read(new StreamBytes(pieces), compression);
  } finally {
    await pieces.return(undefined);
    await source.settled();
  }
}

function compressionOf(first: Buffer): Compression {
  const begins = (magic: Buffer): boolean => first.subarray(0, magic.length).equals(magic);
  if (begins(magics.gzip)) return 'gzip';
  // A skippable frame can stand in front of the others.
  if (begins(magics.zstd) || isSkippable(first)) return 'zstd';
  const other = others.find(([, magic]) => begins(magic));
  if (other !== undefined)
    refuseArchive(`it is compressed with ${other[0]}, and not with gzip or zstd`);
  return 'none';
}

function isSkippable(first: Buffer): boolean {
  return first.length >= 4 && first.readUInt32LE() >>> 4 === 0x184d2a5;
}

/** Compressed data, of which is known how much was read, and whether somebody reads just now. */
class Source {
  bytes = 0;
  readonly #from: Bytes;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(from: Bytes) {
    this.#from = from;
  }

  async *pieces(): AsyncGenerator<Buffer> {
    const tracked: Bytes = {
      read: (max) => {
        const reading = this.#from.read(max);
        this.#reading = reading.catch(() => {});
        return reading;
      },
      skip: (count) => this.#from.skip(count),
    };
    for await (const piece of piecesOf(tracked)) {
      this.bytes += piece.length;
      yield piece;
    }
  }

  /** A stream reads ahead: after this nobody does any more. */
  async settled(): Promise<void> {
    await this.#reading;
  }
}

async function* decompressed(
  compression: 'gzip' | 'zstd',
  source: Source,
  count: Count,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of decoded(compression, source)) {
    bytes += piece.length;
    count.decompressed(source.bytes, bytes);
    yield piece;
  }
}

function decoded(compression: 'gzip' | 'zstd', source: Source): AsyncGenerator<Buffer> {
  const pieces = source.pieces();
  if (compression === 'gzip') return through(createGunzip({ chunkSize }), pieces);
  const frames = checkedFrames(pieces);
  const decompressor = zstdDecompressor();
  return decompressor === undefined ? decompressZstd(frames) : through(decompressor, frames);
}

async function* through(
  decompressor: Transform,
  pieces: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  const input = Readable.from(pieces, { objectMode: false });
  // The loop below throws whatever fails.
  pipeline(input, decompressor, () => {});
  try {
    for await (const piece of decompressor) yield piece as Buffer;
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'Z_BUF_ERROR') refuseCutShort();
    if (/^(?:Z|ZSTD|ERR_ZSTD)_/.test(code)) refuseArchive(`its data is damaged: ${reason(error)}`);
    throw error;
  } finally {
    input.destroy();
    decompressor.destroy();
  }
}
