import { serialize } from 'node:v8';
import { CriuError } from '../base/errors.js';
import { late } from '../base/late.js';
import type { Scope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import type { SocketChannel } from '../channel/socket-channel.js';
import type { OutputDirectory } from '../images/directory.js';
import { readSlots, type Slots } from '../images/self-saved.js';
import { nativeAddon } from '../native/addon.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import type { NewLife, ToldLife } from '../options/new-life.js';

const channels = late(() => import('../channel/socket-channel.js'));

/** The first option that is for such a program alone; undefined when none is given. */
export function toldIn(told: NewLife): keyof NewLife | undefined {
  const { data, env, argv, channel } = told;
  if (channel === true) return 'channel';
  if (data !== undefined) return 'data';
  if (env !== undefined) return 'env';
  return argv === undefined ? undefined : 'argv';
}

/** What a program gets in place of descriptors of its own. */
export interface Replacements {
  inherited: InheritedFd[];
  /** Opens our end of the channel, once the program has been restored. */
  openChannel(): SocketChannel | undefined;
}

/** Where there is nothing to be told, or nobody to hear it. */
export const nothingReplaced: Replacements = { inherited: [], openChannel: () => undefined };

/**
 * Makes what tells a program of its new life: a file in memory, so that nothing of it is on a disk or a
 * command line. And one end of a channel.
 *
 * @param scope - Closes our descriptors at its end.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when nothing in the images would listen.
 */
export async function replacements(
  told: NewLife,
  images: Pick<OutputDirectory, 'file' | 'path'>,
  scope: Scope,
): Promise<Replacements> {
  const slots = await readSlots(images.file(''));
  if (slots.life === undefined) {
    const first = toldIn(told);
    if (first === undefined) return nothingReplaced;
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The images in ${images.path} are not of a process that has saved itself by
        checkpointSelf(): nobody would hear of ${option(first)}`,
    );
  }
  const life = tellLife(told, images.path, slots.life, scope);
  if (told.channel !== true) return { ...nothingReplaced, inherited: [life] };
  const channel = await makeChannel(slots, images.path, scope);
  return { inherited: [life, channel.inherited], openChannel: channel.open };
}

function tellLife(
  { data, env, argv, channel }: NewLife,
  imagePath: string,
  resource: string,
  scope: Scope,
): InheritedFd {
  const content = serialize({ imagePath, data, env, argv, channel } satisfies ToldLife);
  const fd = nativeAddon().keepInMemory('libcriu-life', content);
  scope.defer(() => nativeAddon().closeDescriptor(fd));
  return { fd, resource };
}

async function makeChannel(
  { channel: resource }: Slots,
  path: string,
  scope: Scope,
): Promise<{ inherited: InheritedFd; open(): SocketChannel }> {
  if (resource === undefined) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`The process in ${path} has saved itself with a version of libcriu that knew no
        ${option('channel')}: have it save itself anew`,
    );
  }
  const { SocketChannel } = await channels();
  const [ours, theirs] = nativeAddon().socketPair();
  // Closing what is not lent any more does nothing.
  for (const fd of [ours, theirs]) scope.defer(() => nativeAddon().closeDescriptor(fd));
  return { inherited: { fd: theirs, resource }, open: () => new SocketChannel(ours) };
}
