import type { FileTable } from './descriptors.js';
import type { Entry } from './entry.js';
import { extentsWithin, type Pagemap } from './pagemap.js';
import type { MappingKind, MappingReport } from './report.js';

/** Bits of CRIU's `status` of a mapping, the first that is set of which tells its kind. */
const kindsByStatus: readonly (readonly [number, MappingKind])[] = [
  [1 << 3, 'kernel'], // vdso
  [1 << 12, 'kernel'], // vvar
  [1 << 2, 'kernel'], // vsyscall
  [1 << 17, 'kernel'], // uprobes
  [1 << 1, 'stack'],
  [1 << 15, 'stack'], // shadow stack
  [1 << 5, 'heap'],
  [1 << 14, 'memfd'],
  [1 << 10, 'sysv'],
  [1 << 13, 'aio'],
  [1 << 11, 'socket'],
  [1 << 8, 'shared'],
  [1 << 9, 'anonymous'],
  [1 << 6, 'file'],
  [1 << 7, 'shared-file'],
];

/** The flag of mmap(2) that the main stack of a process has. */
const growsDown = 0x100;

/** The kind of memory that a mapping is. */
export function kindOfMapping(vma: Entry): MappingKind {
  if ((vma.number('flags') & growsDown) !== 0) return 'stack';
  const status = vma.number('status');
  return kindsByStatus.find(([bit]) => (status & bit) !== 0)?.[1] ?? 'anonymous';
}

/** The sizes of parts of memory, as they are summed up. */
export interface Sizes {
  mapped: number;
  saved: number;
  inherited: number;
  elsewhere: number;
}

/** Nothing yet. */
export const noSizes = (): Sizes => ({ mapped: 0, saved: 0, inherited: 0, elsewhere: 0 });

/** Adds to sums. */
export function addSizes(to: Sizes, sizes: Readonly<Sizes>): void {
  to.mapped += sizes.mapped;
  to.saved += sizes.saved;
  to.inherited += sizes.inherited;
  to.elsewhere += sizes.elsewhere;
}

/**
 * The mappings of a process, those of one kind and one file together, the largest first.
 *
 * @param vmas - In the order of their addresses.
 */
export function mappingsOf(
  vmas: readonly Entry[],
  pagemap: Pagemap | undefined,
  files: FileTable,
): MappingReport[] {
  const groups = new Map<string, Sizes & { kind: MappingKind; file: string | undefined }>();
  for (const vma of vmas) {
    const { kind, file } = kindAndFile(vma, files);
    const key = `${kind} ${file ?? ''}`;
    const group = groups.get(key) ?? { kind, file, ...noSizes() };
    groups.set(key, group);
    addSizes(group, sizesOf(vma, pagemap));
  }
  return [...groups.values()].sort((a, b) => b.saved - a.saved || b.mapped - a.mapped);
}

/** The kind of memory that a mapping is, and the file that is mapped. */
export function kindAndFile(
  vma: Entry,
  files: FileTable,
): { kind: MappingKind; file: string | undefined } {
  const kind = kindOfMapping(vma);
  if (!['file', 'shared-file', 'memfd'].includes(kind)) return { kind, file: undefined };
  const file = files.nameOf(vma.number('shmid'));
  // The kernel has a file for memory that is shared without one.
  return file === 'memfd:/dev/zero' ? { kind: 'shared', file: undefined } : { kind, file };
}

function sizesOf(vma: Entry, pagemap: Pagemap | undefined): Sizes {
  const [start, end] = [vma.number('start'), vma.number('end')];
  const sizes = { ...noSizes(), mapped: end - start };
  if (pagemap === undefined) return sizes;
  for (const extent of extentsWithin(pagemap, start, end)) {
    const bytes = Math.min(end, extent.end) - Math.max(start, extent.start);
    if (extent.place === 'here') sizes.saved += bytes;
    else if (extent.place === 'parent') sizes.inherited += bytes;
    else sizes.elsewhere += bytes;
  }
  return sizes;
}
