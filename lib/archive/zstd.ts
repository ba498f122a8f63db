import { on } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { Worker } from 'node:worker_threads';
import zlib from 'node:zlib';
import { CriuError } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import { refuseArchive } from './fault.js';
import { ZstdFrames } from './zstd-frames.js';

/** What the thread is asked. */
export interface ZstdQuestion {
  chunk: Uint8Array;
  isLast: boolean;
}

/** What it answers: any number of blocks, and then that it is done, or why it cannot go on. */
export type ZstdAnswer = { block: Uint8Array } | { isDone: true } | { fault: string };

/** A block of 128 KiB can come out of four bytes, and what comes out of one chunk is in memory at once. */
const chunkBytes = 4096;

/** The decompressor of Node.js, which has it from 22.15 on, and whose types those of Node.js 20 do not know. */
export function zstdDecompressor(): Transform | undefined {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  return createZstdDecompress?.();
}

/** Passes zstd data on that is whole and needs no more memory than it may. */
export async function* checkedFrames(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new ZstdFrames();
  for await (const piece of pieces) {
    frames.push(piece);
    yield piece;
  }
  frames.end();
}

/** Decompresses zstd data on a thread of its own, where Node.js cannot. */
export async function* decompressZstd(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const worker = startWorker();
  // An error of the thread ends the waiting for its answers.
  const answers = on(worker, 'message') as AsyncIterableIterator<[ZstdAnswer]>;
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; at += chunkBytes) {
        const chunk = piece.subarray(at, at + chunkBytes);
        yield* ask(worker, answers, { chunk, isLast: false });
      }
    }
    yield* ask(worker, answers, { chunk: new Uint8Array(0), isLast: true });
  } finally {
    await worker.terminate();
  }
}

async function* ask(
  worker: Worker,
  answers: AsyncIterableIterator<[ZstdAnswer]>,
  question: ZstdQuestion,
): AsyncGenerator<Buffer> {
  worker.postMessage(question);
  for (;;) {
    const { value } = (await answers.next()) as { value: [ZstdAnswer] };
    const [answer] = value;
    if ('isDone' in answer) return;
    if ('fault' in answer) refuseArchive(`its zstd data is damaged: ${answer.fault}`);
    const { buffer, byteOffset, byteLength } = answer.block;
    if (byteLength > 0) yield Buffer.from(buffer, byteOffset, byteLength);
  }
}

function startWorker(): Worker {
  const root = packageRoot();
  const program = root === undefined ? '' : join(root, 'dist/archive/zstd-worker.js');
  if (existsSync(program)) return new Worker(program, { execArgv: [], env: {} });
  throw new CriuError(
    'ERR_CRIU_FEATURE_MISSING',
    `Node.js ${process.versions.node} cannot decompress zstd, and the package's own way is not there ` +
      'because the package has been bundled: use Node.js 22.15 or newer',
  );
}
