import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';

/** What processes can share, by the kernel's numbers of it. */
const kinds = { memory: 1, descriptors: 2, directories: 3, signalHandlers: 4 } as const;

/** One of the things that processes can share. */
export type Shared = keyof typeof kinds;

/**
 * Finds which processes share something with another one, as those do that `clone()` has made with a
 * flag for it.
 *
 * @param pids - Processes that live.
 * @returns groups of two or more; none without the native addon, or where it may not be looked at.
 */
export function findSharing(what: Shared, pids: readonly number[]): number[][] {
  try {
    const compare = (a: number, b: number): number | undefined =>
      nativeAddon().compareProcesses(kinds[what], a, b);
    const groups: number[][] = [];
    // The kernel has them in an order, in which those that share something are neighbours.
    for (const pid of [...pids].sort((a, b) => compare(a, b) ?? a - b)) {
      const group = groups.at(-1);
      if (group?.[0] !== undefined && compare(group[0], pid) === 0) group.push(pid);
      else groups.push([pid]);
    }
    return groups.filter(({ length }) => length > 1);
  } catch (error) {
    if (error instanceof CriuError) return [];
    throw error;
  }
}
