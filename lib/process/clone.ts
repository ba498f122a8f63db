import { readFileSync } from 'node:fs';
import { CriuError } from '../base/errors.js';
import { option, sentence } from '../base/sentence.js';
import type { Outputs } from '../images/outputs.js';
import { neededPids } from '../images/pstree.js';
import type { NativeClone } from '../native/contract.js';

/** The lowest pid that the kernel gives again when it has come to the last one. */
const lowest = 300;
/** How far from the pids of the images criu stays: it takes more for processes that help it. */
const margin = 1000;

/**
 * What the addon has to know of a clone.
 *
 * @throws CriuError `ERR_NOT_RESTORABLE` for images that have a pid namespace already.
 */
export async function nativeClone({ images }: Outputs): Promise<NativeClone> {
  const { root, all } = await neededPids(images.file('pstree.img'));
  if (root === 1) {
    throw new CriuError(
      'ERR_NOT_RESTORABLE',
      sentence`The images in ${images.path} have a pid namespace of their own: their first process
        has the pid 1, which ${option('pidNamespace', 'new')} cannot give it; restore them without`,
    );
  }
  return { root: root ?? -1, pidBefore: pidApart(all, largestPid()) };
}

/**
 * A pid after which there is room for others, none of which is among some pids: in the middle of the
 * largest gap between them, but no farther than needed from its beginning.
 *
 * @param last - The largest pid that there can be.
 */
export function pidApart(pids: ReadonlySet<number>, last: number): number {
  const borders = [lowest, ...[...pids].filter((pid) => pid > lowest && pid < last), last];
  borders.sort((one, other) => one - other);
  let best = { start: lowest, size: 0 };
  for (const [index, start] of borders.entries()) {
    const size = (borders[index + 1] ?? start) - start;
    if (size > best.size) best = { start, size };
  }
  return best.start + Math.min(margin, Math.floor(best.size / 2));
}

function largestPid(): number {
  return Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1')) - 1;
}
