import { join } from 'node:path';
import { readFile } from '../base/files.js';

/** The name of the file that a process leaves beside the images that it has had made of itself. */
const selfName = 'libcriu-self.json';

/**
 * The file of a process that saves itself: [name, content].
 *
 * @param slot - What the descriptor is in the images in whose place it can be told of its new life.
 */
export function selfFile(slot: string): readonly [string, string] {
  return [selfName, `${JSON.stringify({ slot })}\n`];
}

/** The slot of images that a process has had made of itself; undefined of all others. */
export async function readSlot(directory: string): Promise<string | undefined> {
  try {
    const { slot } = JSON.parse(await readFile(join(directory, selfName), 'utf8')) as {
      slot?: unknown;
    };
    return typeof slot === 'string' && /^pipe:\[\d+\]$/.test(slot) ? slot : undefined;
  } catch {
    return undefined;
  }
}
