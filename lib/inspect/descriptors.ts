import type { Entry } from './entry.js';
import type { ImageFiles } from './files.js';
import type { DescriptorReport } from './report.js';
import { type Queues, readQueues, socketInWords, socketOf } from './sockets.js';

/** What is open in a checkpoint, by CRIU's numbers. */
export class FileTable {
  readonly queues: Queues;
  readonly #files: ReadonlyMap<number, Entry>;
  /** The names of terminals by their numbers. */
  readonly #terminals: ReadonlyMap<number, string>;
  /** By their numbers. */
  readonly #memfds: ReadonlyMap<number, Entry>;

  private constructor(
    files: ReadonlyMap<number, Entry>,
    terminals: ReadonlyMap<number, string>,
    memfds: ReadonlyMap<number, Entry>,
    queues: Queues,
  ) {
    this.#files = files;
    this.#terminals = terminals;
    this.#memfds = memfds;
    this.queues = queues;
  }

  /** @throws CriuError `ERR_CRIU_IMAGE` */
  static async read(images: ImageFiles): Promise<FileTable> {
    const files = (await images.entries('files.img')).map(
      (file) => [file.number('id'), file] as const,
    );
    const terminals = (await images.entries('tty-info.img')).map(
      (terminal) => [terminal.number('id'), terminalName(terminal)] as const,
    );
    const memfds = (await images.entries('memfd.img')).map(
      (memfd) => [memfd.number('inode_id'), memfd] as const,
    );
    return new FileTable(
      new Map(files),
      new Map(terminals),
      new Map(memfds),
      await readQueues(images),
    );
  }

  file(id: number): Entry | undefined {
    return this.#files.get(id);
  }

  /** The path of a file, or what else it is called; undefined for none. */
  nameOf(id: number): string | undefined {
    const file = this.#files.get(id);
    const path = file?.entry('reg').text('name');
    if (path) return rooted(path);
    const memfd = this.#memfdOf(id);
    return memfd && `memfd:${memfd.text('name')}`;
  }

  /** The number of the segment of shared memory that a memfd is. */
  segmentOf(id: number): number | undefined {
    return this.#memfdOf(id)?.number('shmid');
  }

  #memfdOf(id: number): Entry | undefined {
    const file = this.#files.get(id);
    return file?.has('memfd')
      ? this.#memfds.get(file.entry('memfd').number('inode_id'))
      : undefined;
  }

  /** What a descriptor leads to, in words. */
  describe(id: number, type: string): string {
    const file = this.#files.get(id);
    if (file === undefined) return type.toLowerCase();
    const socket = socketOf(file, this.queues);
    return socket === undefined ? this.#describeOther(id, file, type) : socketInWords(socket);
  }

  #describeOther(id: number, file: Entry, type: string): string {
    switch (type) {
      case 'REG':
      case 'MEMFD':
        return this.nameOf(id) ?? 'file';
      case 'PIPE':
        return `pipe ${file.entry('pipe').number('pipe_id')}`;
      case 'FIFO':
        return this.nameOf(file.entry('fifo').number('regf_id')) ?? 'fifo';
      case 'TTY':
        return this.#terminals.get(file.entry('tty').number('tty_info_id')) ?? 'terminal';
      case 'EVENTFD':
        return `eventfd, ${file.entry('efd').number('counter')}`;
      case 'EVENTPOLL':
        return `epoll, ${file.entry('epfd').entries('tfd').length} watched`;
      case 'INOTIFY':
        return `inotify, ${file.entry('ify').entries('wd').length} watched`;
      case 'EXT':
        return `external ${file.entry('ext').text('name')}`.trim();
      case 'NS':
        return 'namespace';
      default:
        return type.toLowerCase();
    }
  }
}

/** CRIU keeps the paths of files relative to the root of their mount namespace. */
function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path.replace(/^\.\/?/, '')}`;
}

function terminalName(terminal: Entry): string {
  const index = terminal.entry('pty').number('index');
  switch (terminal.text('type')) {
    case 'PTY':
      return `/dev/pts/${index}`;
    case 'CTTY':
      return '/dev/tty';
    case 'CONSOLE':
      return '/dev/console';
    default:
      return `terminal (${terminal.text('type').toLowerCase()})`;
  }
}

const closeOnExec = 1;

/**
 * The descriptors of a process.
 *
 * @param table - CRIU's number of its table of descriptors.
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function descriptorsOf(
  images: ImageFiles,
  table: number,
  files: FileTable,
): Promise<DescriptorReport[]> {
  const entries = await images.entries(`fdinfo-${table}.img`);
  return entries
    .map((entry) => ({
      fd: entry.number('fd'),
      type: entry.text('type'),
      file: entry.number('id'),
      description: files.describe(entry.number('id'), entry.text('type')),
      isCloseOnExec: (entry.number('flags') & closeOnExec) !== 0,
    }))
    .sort((a, b) => a.fd - b.fd);
}
