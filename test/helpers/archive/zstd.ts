const blockBytes = 2 ** 16;

/** What a frame says of itself. */
interface FrameSettings {
  /** The byte for the window: 1 MiB. */
  window?: number;
  hasChecksum?: boolean;
}

/** A frame of zstd with its content as it is, which needs no compressor. */
export function zstd(
  content: Buffer,
  { window = 0x50, hasChecksum = false }: FrameSettings = {},
): Buffer {
  const parts = [frameHeader(window, hasChecksum)];
  for (let at = 0; at === 0 || at < content.length; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    parts.push(blockHeader(0, block.length, at + blockBytes >= content.length), block);
  }
  return Buffer.concat([...parts, Buffer.alloc(hasChecksum ? 4 : 0)]);
}

/** A frame whose content is the same byte again and again: four bytes for each 128 KiB. */
export function repeated(byte: number, blocks: number): Buffer {
  const parts = Array.from({ length: blocks }, (_, index) =>
    Buffer.concat([blockHeader(1, 2 ** 17, index === blocks - 1), Buffer.from([byte])]),
  );
  return Buffer.concat([frameHeader(0x50, false), ...parts]);
}

/** What a decoder passes over. */
export function skippable(length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50, 0);
  header.writeUInt32LE(length, 4);
  return Buffer.concat([header, Buffer.alloc(length)]);
}

export function frameHeader(window: number, hasChecksum: boolean, flags = 0): Buffer {
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, flags | (hasChecksum ? 4 : 0), window]);
}

export function blockHeader(type: number, size: number, isLast: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | Number(isLast), 0, 3);
  return header;
}
