import { PassThrough } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compressionFor, compressor, magics } from '../../../lib/archive/compression.js';

const withZstd = { createZstdCompress: () => new PassThrough() };

describe('the compression of an archive', () => {
  test.each([
    ['a.tar', 'none'],
    ['a.tar.gz', 'gzip'],
    ['a.tgz', 'gzip'],
    ['a.TAR.GZ', 'gzip'],
    ['a.tar.zst', 'zstd'],
    ['a.tzst', 'zstd'],
    ['a.tar.zstd', 'zstd'],
    // Only the name of the file itself tells.
    ['/srv/a.tar.gz/b.tar', 'none'],
  ])('is what its name says: %s', (file, compression) => {
    expect(compressionFor(file, undefined, withZstd)).toBe(compression);
  });

  test.each(['checkpoint', '/a.tar/b', undefined])('is zstd where none is told: %s', (file) => {
    expect(compressionFor(file, undefined, withZstd)).toBe('zstd');
    expect(compressionFor(file, undefined, {})).toBe('gzip');
  });

  test('is what was asked for, whatever the name says', () => {
    expect(compressionFor('a.tar.gz', 'none', {})).toBe('none');
    expect(compressionFor('a.tar', 'gzip', {})).toBe('gzip');
    expect(compressionFor('a.tar', 'zstd', withZstd)).toBe('zstd');
  });

  test.each([
    ['a.tar.zst', undefined],
    ['a.tar', 'zstd'],
  ] as const)('zstd is refused where Node.js has none: %s, %s', (file, asked) => {
    expect(() => compressionFor(file, asked, {})).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARG_VALUE',
        option: 'compression',
        message: expect.stringContaining('has no zstd, which it has from 22.15 on') as string,
      }),
    );
  });

  test('gzip can be read by others, and begins with its magic number', async () => {
    const stream = compressor('gzip');
    if (stream === undefined) throw new Error('no stream');
    stream.end('so say we all');
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    const whole = Buffer.concat(parts);
    expect(gunzipSync(whole).toString()).toBe('so say we all');
    expect(whole.subarray(0, 2)).toEqual(magics.gzip);
    expect(compressor('none')).toBeUndefined();
  });
});
