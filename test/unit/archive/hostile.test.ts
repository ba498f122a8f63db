import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FileBytes } from '../../../lib/archive/bytes.js';
import { Count } from '../../../lib/archive/limits.js';
import { defaultLimits } from '../../../lib/archive/options.js';
import { readTar } from '../../../lib/archive/read-tar.js';
import { type OpenCheckpointOptions, openCheckpoint } from '../../helpers/api.js';
import { images, podmanArchive, podmanMembers } from '../../helpers/archive/checkpoints.js';
import {
  end,
  entry,
  header,
  pax,
  record,
  type TarEntry,
  tar,
} from '../../helpers/archive/tar-bytes.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

/** A directory with an archive and nothing else. */
async function written(
  archive: Buffer,
  name = 'web.tar',
): Promise<{ directory: string; file: string }> {
  const directory = await scope.directory();
  const file = join(directory, name);
  writeFileSync(file, archive);
  return { directory, file };
}

/** Opens an archive that must be refused, and gives the sentence. */
async function refusal(archive: Buffer, options?: OpenCheckpointOptions): Promise<string> {
  const { directory, file } = await written(archive);
  const error = await failureOf(openCheckpoint(file, options));
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_ARCHIVE', operation: 'openCheckpoint' });
  expect(error.message).toContain(`Cannot use the checkpoint ${file}: `);
  expect(error.message).not.toContain('\n');
  expect(readdirSync(directory)).toEqual(['web.tar']);
  return error.message;
}

/** A checkpoint with something more in it. */
const withMore = (...more: (Buffer | TarEntry)[]): Buffer => tar(...podmanMembers, ...more);

const paxFile = (records: Record<string, Buffer | string>): Buffer =>
  Buffer.concat([pax(records), entry({ name: 'x', content: 'y' })]);

const hostile: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'an absolute path': [withMore({ name: '/etc/passwd' }), /"\/etc\/passwd" has an absolute path/],
  'a path that leads outside': [withMore({ name: '../x' }), /"\.\.\/x" leads outside/],
  'a path that leads outside in the middle': [withMore({ name: 'a/../../x' }), /leads outside/],
  'a path that ends outside': [withMore({ name: 'checkpoint/..', type: '5' }), /leads outside/],
  'a path of POSIX that leads outside': [withMore(paxFile({ path: '../../x' })), /leads outside/],
  'a path of GNU that leads outside': [
    withMore({ type: 'L', content: '../x\0' }, { name: 'x' }),
    /leads outside/,
  ],
  'a path with a directory of POSIX that leads outside': [
    withMore({ name: 'x', raw: [[345, '../..']] }),
    /leads outside/,
  ],
  'an absolute path of POSIX': [withMore(paxFile({ path: '/x' })), /has an absolute path/],
  'a symbolic link': [withMore({ name: 'x', type: '2', link: '/etc' }), /"x" is a symlink/],
  'a symbolic link among the images': [
    withMore({ name: 'checkpoint/core-1.img', type: '2', link: 'pages-1.img' }),
    /is a symlink/,
  ],
  'a link': [withMore({ name: 'x', type: '1', link: 'config.dump' }), /"x" is a link/],
  'a link that leads outside': [
    withMore({ name: 'x', type: '1', link: '../../etc/shadow' }),
    /is a link/,
  ],
  'a character device': [
    withMore({ name: 'checkpoint/a.img', type: '3' }),
    /is a character device/,
  ],
  'a block device': [withMore({ name: 'x', type: '4' }), /is a block device/],
  'a named pipe': [withMore({ name: 'x', type: '6' }), /is a fifo/],
  'an unknown type': [withMore({ name: 'x', type: 'Z' }), /has the unknown type "Z"/],
  'a sparse file of GNU': [withMore({ name: 'x', type: 'S' }), /is a sparse file/],
  'a sparse file of POSIX': [withMore(paxFile({ 'GNU.sparse.major': '1' })), /is a sparse file/],
  'a member that is there twice': [
    withMore({ name: 'config.dump' }),
    /"config.dump" is in it twice/,
  ],
  'a member that is there twice by another name': [
    withMore({ name: './/config.dump' }),
    /"config.dump" is in it twice/,
  ],
  'a file that is a directory too': [
    withMore({ name: 'checkpoint' }),
    /"checkpoint" is in it twice/,
  ],
  'a file below a file': [withMore({ name: 'config.dump/x' }), /is below a file/],
  'a directory among the images': [
    withMore({ name: 'checkpoint/a/', type: '5' }),
    /is a directory among the images/,
  ],
  'a file below the images': [
    withMore({ name: 'checkpoint/a/b' }),
    /is in a directory among the images/,
  ],
  'images of an earlier pre-dump': [
    withMore({ name: 'checkpoint/parent', type: '2', link: '../pre-checkpoint' }),
    /need those of an earlier pre-dump/,
  ],
  'a name that is not UTF-8': [withMore({ name: Buffer.from([0x78, 0xff]) }), /is not UTF-8/],
  'a name with a line break': [withMore({ name: 'a\nb' }), /control characters/],
  'a name with NUL': [withMore(paxFile({ path: 'a\0b' })), /control characters/],
  'a name that is too long': [withMore(paxFile({ path: 'a'.repeat(300) })), /too long/],
  'a path that is too long': [
    withMore(paxFile({ path: 'ab/'.repeat(900).slice(0, -1) })),
    /too long/,
  ],
  'no name': [withMore({ name: '' }), /has no name/],
  'a wrong checksum': [withMore({ name: 'x', checksum: 1 }), /header in it is damaged/],
  'a size that is no number': [withMore({ raw: [[124, '0000000000z']] }), /number in a header/],
  'a negative size': [
    withMore({ raw: [[124, Buffer.alloc(12, 0xff)]] }),
    /number in a header of it is negative/,
  ],
  'a size beyond all numbers': [
    withMore({ raw: [[124, Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0x7f)])]] }),
    /number in a header/,
  ],
  'a size beyond its own end': [
    Buffer.concat([
      tar(...podmanMembers).subarray(0, -1024),
      header({ size: 5000 }),
      Buffer.alloc(600),
    ]),
    /it is cut short/,
  ],
  'a size of POSIX that is negative': [withMore(paxFile({ size: '-1' })), /number in a header/],
  'a size of POSIX with a fraction': [withMore(paxFile({ size: '1.5' })), /number in a header/],
  'a size of POSIX as hexadecimal digits': [
    withMore(paxFile({ size: '0x10' })),
    /number in a header/,
  ],
  'a directory with content': [
    withMore({ name: 'd/', type: '5', content: 'x' }),
    /directory in it has content/,
  ],
  'a time that is none': [withMore(paxFile({ mtime: '12:00' })), /time in an extended header/],
  'a user that is none': [withMore(paxFile({ uid: '4294967295' })), /no number of a user/],
  'an extended header without a line break': [
    withMore({ type: 'x', content: '10 path=ab' }, { name: 'x' }),
    /extended header in it is damaged/,
  ],
  'an extended header whose length is wrong': [
    withMore({ type: 'x', content: '99 path=a\n' }, { name: 'x' }),
    /extended header in it is damaged/,
  ],
  'an extended header of length zero': [
    withMore({ type: 'x', content: '0 path=a\n' }, { name: 'x' }),
    /extended header in it is damaged/,
  ],
  'an extended header that says a path twice': [
    withMore(
      {
        type: 'x',
        content: Buffer.concat([
          record('path', Buffer.from('a')),
          record('path', Buffer.from('../b')),
        ]),
      },
      { name: 'x' },
    ),
    /says the same thing twice/,
  ],
  'two extended headers': [
    withMore(pax({ path: 'a' }), pax({ path: 'b' }), { name: 'x' }),
    /same extended header twice/,
  ],
  'two names of GNU': [
    withMore({ type: 'L', content: 'a\0' }, { type: 'L', content: 'b\0' }, { name: 'x' }),
    /same extended header twice/,
  ],
  'an extended header without a member': [withMore(pax({ path: 'a' })), /has no member/],
  'an extended header that is huge': [
    withMore({ type: 'x', size: 2 ** 30 }),
    /an extended header in it has 1073741824 bytes/,
  ],
  'a header for all members': [withMore(pax({ path: 'a' }, 'g'), { name: 'x' }), /for all members/],
  'one block of zeros in the middle': [
    Buffer.concat([entry({ name: 'a' }), Buffer.alloc(512), podmanArchive]),
    /something behind its end/,
  ],
  'a second archive behind its end': [
    Buffer.concat([podmanArchive, podmanArchive]),
    /behind its end/,
  ],
  'something behind its end': [Buffer.concat([podmanArchive, Buffer.from('x')]), /behind its end/],
  'nothing at all': [Buffer.alloc(0), /it is cut short/],
  'something else': [Buffer.alloc(4096, 'x'), /or it is no tar archive/],
  'the end alone': [end, /it is no checkpoint/],
  'another archive': [tar({ name: 'etc/passwd' }), /it is no checkpoint/],
  'images that are not complete': [
    tar(...podmanMembers.filter(({ name }) => name !== 'checkpoint/inventory.img')),
    /its images are not complete/,
  ],
  'a pod': [tar({ name: 'pod.dump', content: '{}' }), /the checkpoint of a pod/],
  'an image of docker save': [tar({ name: 'manifest.json', content: '[]' }), /docker save/],
  'a pre-checkpoint': [tar({ name: 'pre-checkpoint/pages-1.img' }), /is a pre-checkpoint/],
  'a configuration that is no JSON': [
    tar({ name: 'config.dump', content: '{' }, ...podmanMembers.slice(1)),
    /its config.dump is not whole JSON/,
  ],
  'a configuration that is huge': [
    tar(
      { name: 'config.dump', content: Buffer.alloc(9 * 2 ** 20, ' ') },
      ...podmanMembers.slice(1),
    ),
    /too many to describe it/,
  ],
  bzip2: [Buffer.from('BZh91AY&SY'), /compressed with bzip2/],
  xz: [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]), /compressed with xz/],
  'gzip that is damaged': [
    Buffer.concat([gzipSync(podmanArchive).subarray(0, 60), Buffer.alloc(200, 7)]),
    /its data is damaged/,
  ],
  'gzip with a wrong checksum': [
    (() => {
      const archive = gzipSync(podmanArchive);
      archive.writeUInt32LE(1, archive.length - 8);
      return archive;
    })(),
    /its data is damaged/,
  ],
};

const compressed = /^(?:gzip|bzip2|xz)/;

describe('an archive is refused that has', () => {
  test.each(Object.entries(hostile))('%s', async (what, [archive, why]) => {
    expect(await refusal(archive)).toMatch(why);
    // The same is told of what comes out of compressed data.
    if (!compressed.test(what)) expect(await refusal(gzipSync(archive))).toMatch(why);
  });
});

describe('an archive is refused at its limits:', () => {
  test('members', async () => {
    const many = withMore(...Array.from({ length: 50 }, (_, index) => ({ name: `f${index}` })));
    expect(await refusal(many, { maxEntries: 40 })).toMatch(
      /more than 40 members, which is maxEntries/,
    );
  });

  test('bytes, as soon as a header tells of them', async () => {
    const lying = withMore({ name: 'x', size: 8 ** 11 - 1 });
    expect(await refusal(lying, { maxBytes: 2 ** 20 })).toMatch(
      /more than 1048576 bytes.*maxBytes/,
    );
  });

  test('what comes out of the compressed data', async () => {
    const zeros = Buffer.alloc(300 * 2 ** 20);
    const bomb = gzipSync(Buffer.concat([podmanArchive, zeros]));
    expect(await refusal(bomb, { maxRatio: 100 })).toMatch(
      /more than 100 times as large.*maxRatio/,
    );
    expect(await refusal(bomb, { maxBytes: 2 ** 20 })).toMatch(/more than 1048576 bytes/);
  });

  test('names, which are kept in memory', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (let index = 0; ; index += 1) {
        yield Buffer.concat([
          pax({ path: `${index}/`.padEnd(500_000, 'a') }),
          entry({ name: 'x' }),
        ]);
      }
    }
    const count = new Count(defaultLimits);
    const { StreamBytes } = await import('../../../lib/archive/bytes.js');
    const reading = async (): Promise<void> => {
      for await (const _ of readTar(new StreamBytes(endless()), count));
    };
    await expect(reading()).rejects.toThrow(/take too much memory/);
  });

  test('ten million members', { timeout: 300_000 }, async () => {
    const one = entry({ name: 'file' });
    const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield many;
    }
    const count = new Count(defaultLimits);
    const { StreamBytes } = await import('../../../lib/archive/bytes.js');
    const reading = async (): Promise<void> => {
      for await (const _ of readTar(new StreamBytes(endless()), count));
    };
    await expect(reading()).rejects.toThrow(/more than 1000000 members/);
    expect(count.entries).toBe(1_000_001);
  });
});

test('every truncation of an archive is refused', { timeout: 300_000 }, async () => {
  const small = tar(
    ...images.map((image) => ({ ...image, name: `checkpoint/${String(image.name)}` })),
  );
  for (let length = 0; length < small.length; length += length % 512 < 500 ? 37 : 1) {
    expect(await refusal(small.subarray(0, length)), `${length} bytes`).toMatch(
      /cut short|damaged/,
    );
  }
  const compressed = gzipSync(small);
  for (let length = 3; length < compressed.length; length += 1) {
    expect(await refusal(compressed.subarray(0, length)), `${length} bytes`).toMatch(/cut short/);
  }
});

test('a file that becomes shorter while it is read is cut short', async () => {
  const { file } = await written(podmanArchive);
  const { openSync, closeSync, truncateSync } = await import('node:fs');
  const fd = openSync(file, 'r');
  try {
    const members = readTar(new FileBytes(fd, 0, podmanArchive.length), new Count(defaultLimits));
    await members.next();
    truncateSync(file, 600);
    const reading = async (): Promise<void> => {
      for await (const _ of members);
    };
    await expect(reading()).rejects.toThrow(/cut short/);
  } finally {
    closeSync(fd);
  }
});
