import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A file system, and the directory by which it was found. */
interface Space {
  path: string;
  stats: StatsFs;
}

/** The file system of a directory, or of the nearest one above it that exists. */
export async function spaceAt(directory: string): Promise<Space | undefined> {
  for (let path = resolve(directory); ; path = dirname(path)) {
    const stats = await statfs(path).catch(() => undefined);
    if (stats !== undefined) return { path, stats };
    if (path === dirname(path)) return undefined;
  }
}

/** Whether it does not count its blocks, and has no limit of them. */
export function isUncounted({ blocks }: StatsFs): boolean {
  return blocks === 0;
}
