import type { BigIntStats } from 'node:fs';
import { open, readdir, readFile, readlink, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** O_PATH: names a file without opening it; no driver and no server hears of it. */
const openPath = 0o10000000;

/**
 * What is read of `/proc`. Whatever vanishes while it is read, or may not be read, is undefined:
 * the processes run on meanwhile.
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

  async names(path: string): Promise<string[] | undefined> {
    return readdir(join(this.root, path)).catch(() => undefined);
  }

  /** Of what a link of `/proc` leads to, without a walk through any path. */
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
    const handle = await open(join(this.root, path), openPath).catch(() => undefined);
    if (!handle) return undefined;
    try {
      return mountIdOf((await this.text(`self/fdinfo/${handle.fd}`)) ?? '');
    } finally {
      await handle.close();
    }
  }
}

/** `mnt_id` of a descriptor's fdinfo. */
export function mountIdOf(info: string): number | undefined {
  const id = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** Time that a look at the processes may take; what it does not come to is left out. */
export class Budget {
  readonly #deadline: number;

  constructor(ms: number = Number.POSITIVE_INFINITY) {
    this.#deadline = performance.now() + ms;
  }

  get isSpent(): boolean {
    return performance.now() > this.#deadline;
  }
}

/** Enough to keep the pool's threads busy, and no more memory than that. */
const width = 8;

/** Does something with each item, a few at a time, until the budget is spent. */
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
