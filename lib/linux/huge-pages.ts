import { join } from 'node:path';
import type { Procfs } from './procfs.js';

/** `HUGETLBFS_MAGIC`. */
export const hugetlbMagic = 0x958458f6;

/** Where the kernel tells of huge pages, a directory for each size. */
const directory = '../sys/kernel/mm/hugepages';

/** The sizes of huge pages that this kernel has, in bytes, with how many of them are to be had. */
export async function readHugePages(proc: Procfs): Promise<ReadonlyMap<number, number>> {
  const sizes = new Map<number, number>();
  for (const name of (await proc.names(directory)) ?? []) {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (kilobytes === undefined) continue;
    const count = async (what: string): Promise<number> =>
      Number((await proc.text(join(directory, name, what))) ?? 0);
    const free = (await count('free_hugepages')) - (await count('resv_hugepages'));
    const more = (await count('nr_overcommit_hugepages')) - (await count('surplus_hugepages'));
    sizes.set(Number(kilobytes) * 1024, free + Math.max(0, more));
  }
  return sizes;
}
