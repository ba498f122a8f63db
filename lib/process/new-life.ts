import { serialize } from 'node:v8';
import { CriuError } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import type { OutputDirectory } from '../images/directory.js';
import { readSlot } from '../images/self-saved.js';
import { nativeAddon } from '../native/addon.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import type { NewLife, ToldLife } from '../options/new-life.js';

/** The first option that tells a program something; undefined when none does. */
export function toldIn(life: NewLife): keyof NewLife | undefined {
  return (['data', 'env', 'argv'] as const).find((name) => life[name] !== undefined);
}

/**
 * What tells a program of its new life, by a file in memory that takes the place of a descriptor of its
 * own: nothing of it is on a disk or a command line.
 *
 * @param scope - Closes our descriptor of the file at its end.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when nothing in the images would listen.
 */
export async function tellNewLife(
  life: NewLife,
  images: Pick<OutputDirectory, 'file' | 'path'>,
  scope: Scope,
): Promise<InheritedFd[]> {
  const resource = await readSlot(images.file(''));
  if (resource === undefined) {
    const told = toldIn(life);
    if (told === undefined) return [];
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The images in ${images.path} are not of a process that has saved itself by
        checkpointSelf(): nobody would hear of ${option(told)}`,
    );
  }
  const { data, env, argv } = life;
  const { path: imagePath } = images;
  const content = serialize({ imagePath, data, env, argv } satisfies ToldLife);
  const fd = nativeAddon().keepInMemory('libcriu-life', content);
  scope.defer(() => nativeAddon().closeDescriptor(fd));
  return [{ fd, resource }];
}
