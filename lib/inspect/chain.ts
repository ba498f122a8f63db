import { closeSync, constants } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DirectorySource } from '../archive/directory-source.js';
import { readingArchive, refuseArchive } from '../archive/fault.js';
import type { CheckpointInfo } from '../archive/info.js';
import { type ArchiveLimits, Count } from '../archive/limits.js';
import { FlatSource } from '../archive/oci-source.js';
import { openSource } from '../archive/open-source.js';
import { errnoOf } from '../base/errors.js';
import { openFd } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import { openTrusted } from '../linux/trusted.js';
import { ImageFiles } from './files.js';

/** A checkpoint that is held open, with the earlier ones that it needs. */
export interface OpenChain {
  readonly info: CheckpointInfo;
  /** Its images, and then those of each earlier pre-dump, the newest first. */
  readonly chain: readonly ImageFiles[];
}

/** No iteration makes as many. */
const maxParents = 1000;

/**
 * Opens a checkpoint, and the pre-dumps that it needs if it is a directory.
 *
 * @param check - Called now and then; it throws when the operation has been given up.
 * @param scope - Closes what is opened.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE`, `ERR_CRIU_IMAGE`, `ERR_UNTRUSTED_PATH`
 */
export async function openChain(
  path: string,
  limits: ArchiveLimits,
  check: () => void,
  scope: Scope,
): Promise<OpenChain> {
  const count = (): Count => new Count(limits, check);
  const { info, source, imagesDirectory, close } = await openSource(path, limits, check, 'pass');
  scope.defer(close);
  const chain = [await readingArchive(path, () => ImageFiles.read(path, source, count))];
  for (let directory = imagesDirectory; directory !== undefined; ) {
    const link = await parentOf(directory);
    if (link === undefined) break;
    const parent = resolve(directory, link);
    directory = await readingArchive(parent, async () => {
      if (chain.length > maxParents) refuseArchive('its parents are in a circle');
      const opened = await openTrusted("the images' parent", parent).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error;
        return refuseArchive('it is a parent, and is not there');
      });
      try {
        const fd = await openFd(`/proc/self/fd/${opened.fd}`, constants.O_RDONLY);
        scope.defer(() => closeSync(fd));
        const images = new FlatSource(new DirectorySource(fd, 'pass'));
        chain.push(await ImageFiles.read(parent, images, count));
        return opened.real;
      } finally {
        opened.close();
      }
    });
  }
  return { info, chain };
}

async function parentOf(directory: string): Promise<string | undefined> {
  return await readlink(`${directory}/parent`).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  });
}
