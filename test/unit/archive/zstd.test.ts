import { describe, expect, test } from 'vitest';
import { bytesOf, readUpTo, StreamBytes } from '../../../lib/archive/bytes.js';
import { decompressing } from '../../../lib/archive/decompress.js';
import { Count } from '../../../lib/archive/limits.js';
import { defaultLimits } from '../../../lib/archive/options.js';
import { decompressZstd } from '../../../lib/archive/zstd.js';
import { ZstdFrames } from '../../../lib/archive/zstd-frames.js';
import { blockHeader, frameHeader, repeated, skippable, zstd } from '../../helpers/archive/zstd.js';
import { noise } from '../../helpers/tar.js';

/** What a reader of archives gets, in the way of this Node.js. */
async function decompressed(data: Buffer, limits = defaultLimits): Promise<Buffer> {
  const count = new Count(limits);
  const read = decompressing(bytesOf(data), count, async function* (plain) {
    yield await readUpTo(plain, 2 ** 30);
  });
  const { value } = await read.next();
  await read.return(undefined);
  return value as Buffer;
}

/** The same without zlib. */
async function onThread(data: Buffer): Promise<Buffer> {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < data.length; at += 1000) yield data.subarray(at, at + 1000);
  }
  return await readUpTo(new StreamBytes(decompressZstd(pieces())), 2 ** 30);
}

const content = noise(200_000, 1);

const good: Readonly<Record<string, readonly [Buffer, Buffer]>> = {
  'one frame': [zstd(content), content],
  'no content': [zstd(Buffer.alloc(0)), Buffer.alloc(0)],
  'two frames': [Buffer.concat([zstd(content), zstd(content)]), Buffer.concat([content, content])],
  'a frame that is passed over': [Buffer.concat([skippable(5000), zstd(content)]), content],
  'a frame that is passed over at the end': [Buffer.concat([zstd(content), skippable(9)]), content],
  'the same byte': [repeated(7, 3), Buffer.alloc(3 * 2 ** 17, 7)],
};

describe('zstd with', () => {
  test.each(Object.entries(good))('%s is decompressed', async (_what, [data, expected]) => {
    expect((await decompressed(data)).equals(expected)).toBe(true);
    expect((await onThread(data)).equals(expected)).toBe(true);
  });

  const bad: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    'a window of 256 MiB': [zstd(content, { window: 0x90 }), /needs a window of 268435456 bytes/],
    'the largest window': [zstd(content, { window: 0xff }), /needs a window/],
    'a content of 1 GiB in its window': [
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40]),
      /needs a window of 1073741824 bytes/,
    ],
    'a content beyond all numbers': [
      Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0]), Buffer.alloc(8, 0xff)]),
      /needs a window/,
    ],
    'a dictionary': [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 0x50, 0]), /needs a dictionary/],
    'a block of 2 MiB': [
      Buffer.concat([frameHeader(0x50, false), blockHeader(1, 2 ** 21 - 1, true), Buffer.alloc(1)]),
      /zstd data is damaged/,
    ],
    'a block of no type': [
      Buffer.concat([frameHeader(0x50, false), blockHeader(3, 9, true), Buffer.alloc(9)]),
      /zstd data is damaged/,
    ],
    'a compressed block of ones': [
      Buffer.concat([frameHeader(0x50, false), blockHeader(2, 9, true), Buffer.alloc(9, 0xff)]),
      /data is damaged/,
    ],
    'a reserved bit': [Buffer.concat([frameHeader(0x50, false, 8), Buffer.alloc(9)]), /is damaged/],
    'something behind it': [Buffer.concat([zstd(content), Buffer.from('xxxx')]), /is damaged/],
  };

  test.each(Object.entries(bad))('%s is refused', async (_what, [data, why]) => {
    await expect(decompressed(data)).rejects.toThrow(why);
  });

  test('any truncation is refused', () => {
    const data = Buffer.concat([
      skippable(20),
      zstd(content.subarray(0, 300), { hasChecksum: true }),
    ]);
    for (let length = 1; length < data.length; length += 1) {
      if (length === 28) continue; // The frame that is passed over is whole there.
      const frames = new ZstdFrames();
      frames.push(data.subarray(0, length));
      expect(() => frames.end(), `${length} bytes`).toThrow(/cut short/);
    }
  });

  test('any truncation is refused whatever the pieces', () => {
    const data = zstd(content, { hasChecksum: true });
    const frames = new ZstdFrames();
    for (const byte of data) frames.push(Buffer.from([byte]));
    frames.end();
  });

  test('a hundred gigabytes in it is refused before they are there', async () => {
    const bomb = repeated(0, 800_000);
    await expect(decompressed(bomb)).rejects.toThrow(/more than 1000 times as large/);
    await expect(decompressed(bomb, { ...defaultLimits, maxBytes: 1 })).rejects.toThrow(/maxBytes/);
  });
});
