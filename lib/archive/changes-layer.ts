import { basename, dirname, join } from 'node:path';
import type { Transform, Writable } from 'node:stream';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { statFd } from '../base/files.js';
import { compressor } from './compression.js';
import { writeFailure } from './failure.js';
import { whiteout } from './members.js';
import type { StillArchive } from './still.js';
import type { Target } from './target.js';
import { contentOf } from './writer.js';

/** Two blocks of zeros. */
const endSize = 1024;

/**
 * Writes what a container has changed in its files as a layer of an image, compressed with gzip.
 *
 * @throws CriuError `ERR_ARCHIVE_WRITE`
 */
export async function writeChanges(
  { fd, removed }: Pick<StillArchive, 'fd' | 'removed'>,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stages = [
    Readable.from(layerOf(fd, removed)),
    compressor('gzip') as Transform,
    target.stream,
  ];
  try {
    await pipeline(stages as [Readable, Writable], signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw writeFailure(target.name, error);
  }
}

async function* layerOf(fd: number, removed: readonly string[]): AsyncGenerator<Buffer> {
  if (removed.length > 0) yield* whiteoutsOf(removed);
  yield* contentOf(fd, (await statFd(fd)).size);
}

/** An archive of the names of what is removed, without its end: another one follows. */
async function* whiteoutsOf(removed: readonly string[]): AsyncGenerator<Buffer> {
  const { pack } = await import('tar-stream');
  const archive = pack();
  for (const path of removed) {
    const directory = dirname(path).replace(/^\/+/, '');
    archive.entry({ name: join(directory, `${whiteout}${basename(path)}`), mode: 0o600 }, '');
  }
  archive.finalize();
  let held = Buffer.alloc(0);
  for await (const part of archive as unknown as Readable) {
    const all = Buffer.concat([held, part as Buffer]);
    const end = Math.max(0, all.length - endSize);
    if (end > 0) yield all.subarray(0, end);
    held = all.subarray(end);
  }
}
