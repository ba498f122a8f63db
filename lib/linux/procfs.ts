import { type BigIntStats, closeSync } from 'node:fs';
import { readdir, readlink, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.js';
import { openFd, readFile } from '../base/files.js';

/** `O_PATH`, which Node does not name: the descriptor names a file, and no driver hears of it. */
export const openPath = 0o10000000;

/**
 * Reads files of `/proc`. Each method gives undefined for what vanishes while it is read and for what
 * may not be read, because the processes run on meanwhile.
 */
export class Procfs {
  readonly root: string;

  constructor(root = '/proc') {
    this.root = root;
  }

  async text(path: string): Promise<string | undefined> {
    return readFile(join(this.root, path), 'utf8').catch(() => undefined);
  }

  async link(path: string): Promise<string | undefined> {
    return readlink(join(this.root, path)).catch(() => undefined);
  }

  /** The bytes of a link, whose name need not be text. */
  async linkBytes(path: string): Promise<Buffer | undefined> {
    return readlink(join(this.root, path), 'buffer').catch(() => undefined);
  }

  /** Whether the path that a link leads to is longer than the kernel tells. */
  async isTooLong(path: string): Promise<boolean> {
    return readlink(join(this.root, path)).then(
      () => false,
      (error: unknown) => errnoOf(error) === 'ENAMETOOLONG',
    );
  }

  async names(path: string): Promise<string[] | undefined> {
    return readdir(join(this.root, path)).catch(() => undefined);
  }

  /** Looks at what a link of `/proc` leads to; the kernel walks through no path for that. */
  async stat(path: string): Promise<BigIntStats | undefined> {
    return stat(join(this.root, path), { bigint: true }).catch(() => undefined);
  }

  /** The kernel's number for the type of the file system that a link of `/proc` leads into. */
  async fileSystem(path: string): Promise<number | undefined> {
    return statfs(join(this.root, path)).then(
      ({ type }) => type,
      () => undefined,
    );
  }

  /** The id of the mount that a link of `/proc` (`cwd`, `exe`, one of `map_files`) leads to. */
  async mountId(path: string): Promise<number | undefined> {
    const fd = await openFd(join(this.root, path), openPath).catch(() => undefined);
    if (fd === undefined) return undefined;
    try {
      return mountIdOf((await this.text(`self/fdinfo/${fd}`)) ?? '');
    } finally {
      closeSync(fd);
    }
  }
}

/** The id of the mount that a descriptor is on, from the text of its fdinfo. */
export function mountIdOf(info: string): number | undefined {
  const id = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** The flags that a descriptor was opened with, from the text of its fdinfo; 0 when it has none. */
export function openFlagsOf(info: string): number {
  return Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
}

/** Bounds the time that a look at the processes may take. What it does not come to is left out. */
export class Budget {
  readonly #deadline: number;

  constructor(ms: number = Number.POSITIVE_INFINITY) {
    this.#deadline = performance.now() + ms;
  }

  get isSpent(): boolean {
    return performance.now() > this.#deadline;
  }
}

/** So many files are read at a time, which keeps the threads of libuv's pool busy. */
const width = 8;

/** Calls a function with each item, a few at a time, until the budget is spent. */
export async function forEach<T>(
  items: Iterable<T>,
  budget: Budget,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !budget.isSpent; next = iterator.next()) {
      await act(next.value);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
}
