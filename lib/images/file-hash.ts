import { createHash } from 'node:crypto';
import { closeFd, openFd, readFd } from '../base/files.js';

const chunkBytes = 1024 * 1024;

/** SHA-256 of a file, in hexadecimal digits. It is read in parts, between which other events have their turn. */
export async function hashOf(path: string): Promise<string> {
  const fd = await openFd(path, 'r');
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(chunkBytes);
    for (let at = 0; ; ) {
      const { bytesRead } = await readFd(fd, chunk, 0, chunkBytes, at);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await closeFd(fd);
  }
}
