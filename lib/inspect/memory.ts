import { chunkSize } from '../archive/bytes.js';
import { invalidArgValue } from '../base/errors.js';
import { FileTable } from './descriptors.js';
import type { Entry } from './entry.js';
import type { ImageFiles, PageReader } from './files.js';
import { kindAndFile } from './mappings.js';
import { PagemapChain, pagemapOf, type Segment, sharedPagemapOf } from './pagemap.js';
import { pageSizeOf } from './processes.js';
import type { MappingKind } from './report.js';

/** A mapping of a process. */
export interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly kind: MappingKind;
  /** The file that is mapped, if one is. */
  readonly file: string | undefined;
  /** Bits of `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`. */
  readonly protection: number;
}

/** A part of a mapping, and where what it holds is. */
export interface Placed extends Pick<Segment, 'start' | 'end' | 'content'> {
  readonly mapping: Mapping;
}

/** Bits of CRIU's `status` of a mapping. */
const sharedAnonymous = 1 << 8;
const sysv = 1 << 10;
const memfd = 1 << 14;

/** The memory of one process of a checkpoint, of which no more is read at once than a chunk. */
export class ProcessMemory {
  /** The machine that it is of, by CRIU's name: `X86_64`. */
  readonly machine: string;
  readonly #chain: readonly ImageFiles[];
  readonly #files: FileTable;
  readonly #vmas: readonly Entry[];
  readonly #pid: number;
  readonly #pageSize: number;
  readonly #readers = new Map<ImageFiles, Map<string, PageReader>>();

  private constructor(
    chain: readonly ImageFiles[],
    files: FileTable,
    { pid, machine, memory }: { pid: number; machine: string; memory: Entry },
  ) {
    this.machine = machine;
    this.#chain = chain;
    this.#files = files;
    this.#pid = pid;
    this.#vmas = memory.entries('vmas');
    this.#pageSize = pageSizeOf(memory);
  }

  /**
   * @throws RangeError when there is no such process.
   * @throws CriuError `ERR_CRIU_IMAGE`
   */
  static async open(chain: readonly ImageFiles[], pid: number): Promise<ProcessMemory> {
    const [images] = chain;
    if (images === undefined) throw new Error('A checkpoint has images');
    const pids = (await images.entries('pstree.img')).map((task) => task.number('pid'));
    if (!pids.includes(pid)) {
      const some = pids.slice(0, 10).join(', ');
      throw invalidArgValue('pid', `the pid of a process in the checkpoint (${some})`, pid);
    }
    const machine = (await images.first(`core-${pid}.img`)).text('mtype');
    const memory = await images.first(`mm-${pid}.img`);
    return new ProcessMemory(chain, await FileTable.read(images), { pid, machine, memory });
  }

  /**
   * Where all of it is, in the order of its addresses.
   *
   * @throws CriuError `ERR_CRIU_IMAGE`
   */
  async *placed(): AsyncGenerator<Placed> {
    const known = new Map<string, PagemapChain>();
    for (const vma of this.#vmas) {
      const [start, end] = [vma.number('start'), vma.number('end')];
      const protection = vma.number('prot');
      const mapping = { start, end, ...kindAndFile(vma, this.#files), protection };
      // Some of the kernel's own are where no number of JavaScript's leads.
      if (!Number.isSafeInteger(end) || end <= start) continue;
      const { name, first } = this.#pagemapOf(vma);
      const pagemaps =
        known.get(name) ?? (await PagemapChain.read(this.#chain, name, this.#pageSize));
      known.set(name, pagemaps);
      for (const segment of pagemaps.segments(first, first + end - start)) {
        yield {
          mapping,
          start: segment.start - first + start,
          end: segment.end - first + start,
          content: segment.content,
        };
      }
    }
  }

  /** Which pagemap has the pages of a mapping, and the address of the first of them in there. */
  #pagemapOf(vma: Entry): { name: string; first: number } {
    const status = vma.number('status');
    const id = vma.number('shmid');
    const segment = (status & memfd) !== 0 ? this.#files.segmentOf(id) : id;
    const isShared = (status & (sharedAnonymous | sysv | memfd)) !== 0;
    if (isShared && segment !== undefined) {
      return { name: sharedPagemapOf(segment), first: vma.number('pgoff') };
    }
    return { name: pagemapOf(this.#pid), first: vma.number('start') };
  }

  /** What a part holds, in chunks. */
  async *read({ content }: Placed): AsyncGenerator<Buffer> {
    if (content === undefined) return;
    const { files, name, range } = content;
    const readers = this.#readers.get(files) ?? new Map<string, PageReader>();
    this.#readers.set(files, readers);
    const reader = readers.get(name) ?? files.reader(name);
    readers.set(name, reader);
    const end = range.offset + range.length;
    for (let at = range.offset; at < end; ) {
      const bytes = await reader.read(at, Math.min(chunkSize, end - at));
      if (bytes.length === 0) return;
      at += bytes.length;
      yield bytes;
    }
  }

  async close(): Promise<void> {
    for (const readers of this.#readers.values()) {
      for (const reader of readers.values()) await reader.close();
    }
  }
}

/** Kinds of memory that hold zeros where nothing is saved of them. */
const zeroKinds: readonly MappingKind[] = ['anonymous', 'heap', 'stack', 'shared', 'sysv', 'memfd'];

/** Whether a part of which nothing is saved holds zeros, and not what a file or the kernel has. */
export function isZero({ content, mapping }: Placed): boolean {
  return content === undefined && zeroKinds.includes(mapping.kind);
}
