import { inOperation, invalidArgType } from '../base/errors.js';
import type { DecodedImage } from '../images/codec/types.js';

export type { DecodedImage, ImageEntry, ImageHeader, ImageValue } from '../images/codec/types.js';

/**
 * Decodes an image of CRIU of any kind to an object that can be written as JSON: what `crit decode` prints.
 * {@link encodeImage} makes the same image of it, byte for byte.
 *
 * @param image - The path of the image, or its content.
 * @throws TypeError, RangeError for no path of a file.
 * @throws CriuError `ERR_CRIU_IMAGE` for one that is damaged, or of no kind that is known.
 *
 * @example
 * ```ts
 * const { entries } = await decodeImage('/var/lib/ckpt/web/pstree.img');
 * for (const { pid, ppid } of entries) console.log(pid, ppid);
 * ```
 */
export async function decodeImage(image: string | Uint8Array): Promise<DecodedImage> {
  const isPath = typeof image === 'string' && image !== '' && !image.includes('\0');
  if (!isPath && !(image instanceof Uint8Array)) {
    throw invalidArgType('image', 'a path or a Buffer', image);
  }
  return await inOperation('decodeImage', async () => {
    const { decodeFile } = await import('../images/codec/file.js');
    return await decodeFile(image);
  });
}

/**
 * Encodes an image of CRIU.
 *
 * @param image - What {@link decodeImage} or `crit decode` gave, changed or not.
 * @returns the content of the image.
 * @throws TypeError, RangeError for what no image can be made of. The `option` of the error tells where that
 * is: `image.entries[0].pid`.
 */
export async function encodeImage(image: DecodedImage): Promise<Buffer> {
  const { encode } = await import('../images/codec/encode.js');
  return encode(image);
}
