import { basename } from 'node:path';
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { invalidArgValue } from '../base/errors.js';

/** How an archive can be compressed. */
export type Compression = 'zstd' | 'gzip' | 'none';

/** The bytes with which each kind of compressed data begins. */
export const magics: Readonly<Record<'zstd' | 'gzip', Buffer>> = {
  zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
  gzip: Buffer.from([0x1f, 0x8b]),
};

/** What a file's name says of its compression. */
const endings: readonly (readonly [RegExp, Compression])[] = [
  [/\.(?:zst|zstd|tzst)$/i, 'zstd'],
  [/\.(?:gz|tgz)$/i, 'gzip'],
  [/\.tar$/i, 'none'],
];

/** What zlib has for zstd since Node.js 22.15, which the types of Node.js 20 do not know. */
interface WithZstd {
  createZstdCompress?: () => Transform;
}

/**
 * Chooses how an archive is compressed: as asked, or else as its file's name says. Where neither
 * tells, it is zstd, or gzip where Node.js has no zstd.
 *
 * @param file - The name of the archive; undefined for a stream.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for zstd where this Node.js has none.
 */
export function compressionFor(
  file: string | undefined,
  asked: Compression | undefined,
  library: WithZstd = zlib as WithZstd,
): Compression {
  const hasZstd = library.createZstdCompress !== undefined;
  const told = asked ?? (file === undefined ? undefined : compressionOf(file));
  if (told !== 'zstd' || hasZstd) return told ?? (hasZstd ? 'zstd' : 'gzip');
  const lacks = `Node.js ${process.versions.node} has no zstd, which it has from 22.15 on`;
  const reason = asked === undefined ? `the archive's name asks for it, and ${lacks}` : lacks;
  throw invalidArgValue('compression', "'gzip' or 'none'", 'zstd', reason);
}

/** What a file's name says. */
function compressionOf(file: string): Compression | undefined {
  return endings.find(([ending]) => ending.test(basename(file)))?.[1];
}

/** Makes the stream that compresses; undefined for none. */
export function compressor(
  compression: Compression,
  library: WithZstd = zlib as WithZstd,
): Transform | undefined {
  if (compression === 'none') return undefined;
  // The images are written once and read once; the time that they take counts more than their size.
  return compression === 'gzip' ? zlib.createGzip({ level: 1 }) : library.createZstdCompress?.();
}
