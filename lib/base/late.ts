import { closeSync, openSync } from 'node:fs';

/** So many descriptors are there before a module is loaded with what it imports. */
const needed = 8;

/** Loads a module when it is asked for, and no second time. */
export interface Late<T> {
  (): Promise<T>;
  /** The module, once it is loaded. */
  loaded: T | undefined;
}

/**
 * Gives what loads a module. The package is imported by programs that may never dump, and most of it is
 * needed only by the operations.
 *
 * @param load - Imports the module.
 * @returns a function that throws the error of a system call when there is no descriptor left. A module
 * that could not be read when it was imported is not read again by Node.js 20, so that the import is not
 * even tried then.
 */
export function late<T>(load: () => Promise<T>): Late<T> {
  let loading: Promise<T> | undefined;
  const loaded: Late<T> = async () => {
    if (loading === undefined) {
      requireDescriptors();
      loading = load();
    }
    loaded.loaded = await loading;
    return loaded.loaded;
  };
  loaded.loaded = undefined;
  return loaded;
}

function requireDescriptors(): void {
  const fds: number[] = [];
  try {
    while (fds.length < needed) fds.push(openSync('/', 'r'));
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
