import { closeSync, constants } from 'node:fs';
import { CriuError, errnoOf, invalidArgValue } from '../../base/errors.js';
import { openFd, readFd, statFd } from '../../base/files.js';
import { sentence } from '../../base/sentence.js';
import { shownPath } from '../../linux/paths.js';
import { decode } from './decode.js';
import { ImageFault, refuseImage } from './fault.js';
import type { DecodedImage } from './types.js';

/** No image with messages comes near it; one of removed files can. */
const maxSize = 2 ** 30;

/**
 * Decodes an image.
 *
 * @param image - Its path, or its content.
 * @throws RangeError when there is no such file.
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function decodeFile(image: string | Uint8Array): Promise<DecodedImage> {
  const name = typeof image === 'string' ? ` ${shownPath(image)}` : '';
  return await readingImage(name, async () =>
    decode(typeof image === 'string' ? await read(image) : image),
  );
}

/**
 * Runs what reads an image, so that its faults are told with the image's name.
 *
 * @param name - With a space before it; empty for none.
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function readingImage<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ImageFault)) throw error;
    const why = `Cannot decode the image${name}: ${error.message}`;
    throw new CriuError('ERR_CRIU_IMAGE', sentence`${why}`, { cause: error });
  }
}

async function read(path: string): Promise<Buffer> {
  if (/(?:^|\/)pages-[^/]*\.img$/.test(path)) {
    refuseImage('it holds pages of memory as they are, and no entries');
  }
  const fd = await openFd(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause) => {
    const code = errnoOf(cause);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    throw invalidArgValue('image', 'a file that exists', path);
  });
  try {
    const stats = await statFd(fd);
    if (!stats.isFile()) throw invalidArgValue('image', 'a file', path, 'it is not a file');
    if (stats.size > maxSize) refuseImage(`it has ${stats.size} bytes, which no image has`);
    return await readWhole(fd, stats.size);
  } finally {
    closeSync(fd);
  }
}

async function readWhole(fd: number, size: number): Promise<Buffer> {
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await readFd(fd, content, at, size - at, at);
    if (bytesRead === 0) return content.subarray(0, at);
    at += bytesRead;
  }
  return content;
}
