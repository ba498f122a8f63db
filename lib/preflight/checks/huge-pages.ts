import { join } from 'node:path';
import { readFile } from '../../base/files.js';
import { notedHugePages } from '../../criu/huge-page-devices.js';
import { hugetlbMagic, readHugePages } from '../../linux/huge-pages.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import type { Scan } from '../scan.js';
import type { Program } from './machine.js';

/** Memory of huge pages without a file system of its own, by a name in `/proc/PID/maps` or `fd`. */
const withoutFile = /^\/(memfd:|anon_hugepage|SYSV)/;

/** What may be such memory. */
interface Candidate {
  readonly link: string;
  readonly name: string;
  /** Whether CRIU maps it as a whole to save it, for which the kernel sets as many pages aside. */
  readonly isMapped: boolean;
}

/** What there is of huge pages. */
interface HugePages {
  /** How many are to be had, by their size. */
  readonly available: ReadonlyMap<number, number>;
  /** Whether CRIU knows the device of those of a size: it finds out while such a page is free. */
  isNoted(size: number): Promise<boolean>;
}

/**
 * Looks for memory of huge pages, of which CRIU needs some to save it. Without knowing the device it
 * takes such memory for a file that is nowhere.
 */
export async function checkHugePages(scan: Scan, program: Program | undefined): Promise<void> {
  const available = await readHugePages(scan.proc);
  if (available.size === 0) return;
  let noted: ReadonlySet<number> | undefined;
  const pages: HugePages = {
    available,
    isNoted: async (size) => {
      noted ??= await notedBy(program, available.keys());
      return noted.has(size);
    },
  };
  for (const task of scan.tasks) {
    if (scan.budget.isSpent) return;
    await checkTask(scan, task, pages);
  }
}

async function checkTask(scan: Scan, task: Task, pages: HugePages): Promise<void> {
  const { proc } = scan;
  for (const { link, name, isMapped } of await candidates(scan, task)) {
    if ((await proc.fileSystem(link)) !== hugetlbMagic) continue;
    const stat = await proc.stat(link);
    const size = Number(stat?.blksize ?? 0);
    const available = pages.available.get(size);
    if (available === undefined) continue;
    const needed = isMapped ? Math.ceil(Number(stat?.size ?? 0) / size) : 0;
    const isKnown = available > 0 || (await pages.isNoted(size));
    if (isKnown && available >= needed) continue;
    report(scan, task, { name, size, missing: Math.max(needed, 1) - available });
    return;
  }
}

async function candidates({ proc }: Scan, { pid }: Task): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const fd of (await proc.names(`${pid}/fd`)) ?? []) {
    const link = `${pid}/fd/${fd}`;
    const name = (await proc.link(link)) ?? '';
    if (withoutFile.test(name)) found.push({ link, name, isMapped: true });
  }
  const maps = (await proc.text(`${pid}/maps`)) ?? '';
  for (const [, from = '', to = '', sharing = '', name = ''] of maps.matchAll(mapping)) {
    if (!withoutFile.test(name)) continue;
    const link = `${pid}/map_files/${trimZeros(from)}-${trimZeros(to)}`;
    const isShared = sharing === 's' && !name.startsWith('/SYSV');
    found.push({ link, name, isMapped: isShared || name.startsWith('/memfd:') });
  }
  return found;
}

/** A line of `/proc/PID/maps` for what has a name. */
const mapping = /^([0-9a-f]+)-([0-9a-f]+) ...([sp]) \S+ \S+ \d+ +(\/.*)$/gm;

/** The names below `map_files` have no leading zeros. */
function trimZeros(address: string): string {
  return address.replace(/^0+(?=.)/, '');
}

async function notedBy(
  program: Program | undefined,
  sizes: Iterable<number>,
): Promise<ReadonlySet<number>> {
  if (program?.cacheDirectory === undefined) return new Set();
  try {
    const cache = await readFile(join(program.cacheDirectory, 'criu.kdat'));
    return notedHugePages(cache, sizes) ?? new Set();
  } catch {
    return new Set(); // there is none yet
  }
}

function report(
  scan: Scan,
  { pid }: Task,
  { name, size, missing }: { name: string; size: number; missing: number },
): void {
  const shown = shownPath(name.replace(/ \(deleted\)$/, ''));
  scan.report({
    code: 'huge-pages',
    severity: 'fails',
    pid,
    subject: name,
    message:
      `Process ${pid} has memory of huge pages (${shown}), of which CRIU needs ${missing} more of ` +
      `${size / 1024} KiB to save it than are free: add them (/proc/sys/vm/nr_hugepages)`,
  });
}
