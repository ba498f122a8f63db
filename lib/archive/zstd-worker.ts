// A thread that decompresses zstd in JavaScript, so that the event loop never waits for it.
import { parentPort } from 'node:worker_threads';
import { Decompress } from 'fzstd';
import { reason } from '../base/errors.js';
import type { ZstdAnswer, ZstdQuestion } from './zstd.js';

function answer(value: ZstdAnswer): void {
  parentPort?.postMessage(value);
}

const decoder = new Decompress((block) => answer({ block }));

parentPort?.on('message', ({ chunk, isLast }: ZstdQuestion) => {
  try {
    decoder.push(chunk, isLast);
    answer({ isDone: true });
  } catch (error) {
    answer({ fault: reason(error) });
  }
});
