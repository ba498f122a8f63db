import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from '../../../lib/images/codec/encode.js';
import type { ImageEntry } from '../../../lib/images/codec/types.js';

export const pageSize = 4096;
/** Where the memory of a made process begins, and how many pages it has. */
export const memoryStart = 0x10000;
export const memoryPages = 16;

/** A page whose content says which one it is. */
export const pageOf = (text: string): Buffer => Buffer.alloc(pageSize, text);

/** Pages of a process: from which one on, what of it is here, or where it is instead. */
export interface MadePages {
  readonly from: number;
  readonly pages: readonly (Buffer | string)[] | { count: number; place: 'parent' | 'elsewhere' };
}

/** A process of made images. */
export interface MadeProcess {
  readonly pid: number;
  readonly ppid?: number;
  readonly name?: string;
  readonly memory?: readonly MadePages[];
  /** At the beginning of its memory. */
  readonly arguments?: string;
  /** Paths by descriptors. */
  readonly open?: Readonly<Record<number, string>>;
}

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };

/** Writes images as CRIU would of processes that have little. */
export class MadeImages {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  write(name: string, magic: string, entries: readonly ImageEntry[]): this {
    writeFileSync(join(this.directory, name), encode({ magic, entries }));
    return this;
  }

  /** The images of a dump. */
  dump(...processes: readonly MadeProcess[]): this {
    this.write('inventory.img', 'INVENTORY', [{ img_version: 2, root_ids: idsOf(1) }]);
    this.write(
      'pstree.img',
      'PSTREE',
      processes.map(({ pid, ppid = 0 }) => ({ pid, ppid, pgid: pid, sid: pid, threads: [pid] })),
    );
    this.write('files.img', 'FILES', processes.flatMap(filesOf));
    for (const process of processes) this.#writeProcess(process);
    return this;
  }

  /** The images of a pre-dump. */
  preDump(...processes: readonly MadeProcess[]): this {
    for (const { pid, memory = [] } of processes) this.pagemap(`pagemap-${pid}.img`, pid, memory);
    return this;
  }

  parent(target: string): this {
    symlinkSync(target, join(this.directory, 'parent'));
    return this;
  }

  pagemap(name: string, pagesId: number, memory: readonly MadePages[], start = memoryStart): this {
    const contents: Buffer[] = [];
    const entries = memory.map(({ from, pages }) => {
      const isHere = Array.isArray(pages);
      const { place, count } = isHere
        ? { place: 'here', count: pages.length }
        : (pages as { count: number; place: string });
      if (isHere) {
        for (const page of pages) {
          contents.push(typeof page === 'string' ? pageOf(page) : page);
        }
      }
      const flags = { here: 4, parent: 1, elsewhere: 2 }[place] ?? 0;
      const vaddr = start + from * pageSize;
      return { vaddr, compat_nr_pages: count, nr_pages: count, flags };
    });
    writeFileSync(join(this.directory, `pages-${pagesId}.img`), Buffer.concat(contents));
    return this.write(name, 'PAGEMAP', [{ pages_id: pagesId }, ...entries]);
  }

  #writeProcess({
    pid,
    name = 'made',
    memory = [],
    arguments: args = '',
    open = {},
  }: MadeProcess): void {
    this.pagemap(`pagemap-${pid}.img`, pid, memory);
    this.write(`ids-${pid}.img`, 'IDS', [idsOf(pid)]);
    this.write(`core-${pid}.img`, 'CORE', [coreOf(name)]);
    this.write(`mm-${pid}.img`, 'MM', [memoryOf(pid, args)]);
    this.write(`fs-${pid}.img`, 'FS', [{ cwd_id: 0, root_id: 0 }]);
    this.write(
      `fdinfo-${pid}.img`,
      'FDINFO',
      Object.keys(open).map((fd) => ({
        id: fileId(pid, fd),
        flags: 0,
        type: 'REG',
        fd: Number(fd),
      })),
    );
  }
}

function fileId(pid: number, fd: number | string): number {
  return pid * 1000 + Number(fd);
}

function filesOf({ pid, open = {} }: MadeProcess): ImageEntry[] {
  return Object.entries(open).map(([fd, name]) => {
    const id = fileId(pid, fd);
    return { type: 'REG', id, reg: { id, flags: 0, pos: 0, fown, name } };
  });
}

function idsOf(own: number): ImageEntry {
  return { vm_id: own, files_id: own, fs_id: own, sighand_id: own, pid_ns_id: 1, mnt_ns_id: 2 };
}

function coreOf(comm: string): ImageEntry {
  return {
    mtype: 'X86_64',
    tc: { task_state: 1, exit_code: 0, personality: 0, flags: 0, blk_sigset: 0, comm },
  };
}

function memoryOf(pid: number, args: string): ImageEntry {
  const fields =
    'start_code end_code start_data end_data start_stack start_brk brk env_start env_end';
  const end = memoryStart + memoryPages * pageSize;
  return {
    ...Object.fromEntries(fields.split(' ').map((name) => [`mm_${name}`, 0])),
    mm_arg_start: memoryStart,
    mm_arg_end: memoryStart + args.length,
    exe_file_id: fileId(pid, 999),
    mm_saved_auxv: [6, pageSize, 0, 0],
    vmas: [
      {
        start: memoryStart,
        end,
        pgoff: 0,
        shmid: 0,
        prot: 3,
        flags: 0x22,
        status: (1 << 9) | 1,
        fd: -1,
      },
    ],
  };
}
