import { join } from 'node:path';
import { readFile } from '../base/files.js';

/** The name of the file that a process leaves beside the images that it has had made of itself. */
const selfName = 'libcriu-self.json';

/** What descriptors are in the images in whose place the process gets others when it is restored. */
export interface Slots {
  /** That by which it is told of its new life; undefined of a process that has not saved itself. */
  life: string | undefined;
  /** That of its channel; undefined in images of a version that knew none. */
  channel: string | undefined;
}

/** The file of a process that saves itself: [name, content]. */
export function selfFile({ life, channel }: Slots): readonly [string, string] {
  return [selfName, `${JSON.stringify({ slot: life, channel })}\n`];
}

/** The slots of images that a process has had made of itself; none of all others. */
export async function readSlots(directory: string): Promise<Slots> {
  try {
    const { slot, channel } = JSON.parse(await readFile(join(directory, selfName), 'utf8')) as {
      slot?: unknown;
      channel?: unknown;
    };
    return { life: checked(slot, 'pipe'), channel: checked(channel, 'socket') };
  } catch {
    return { life: undefined, channel: undefined };
  }
}

function checked(slot: unknown, kind: 'pipe' | 'socket'): string | undefined {
  const isSlot = typeof slot === 'string' && new RegExp(`^${kind}:\\[\\d+\\]$`).test(slot);
  return isSlot ? slot : undefined;
}
