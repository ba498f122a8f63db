import { closeSync, constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { openFd, statFd } from '../base/files.js';
import { openPath } from '../linux/procfs.js';
import { bytesOf, FileBytes, PartBytes } from './bytes.js';
import { refuseArchive, refuseMember } from './fault.js';
import type { Count } from './limits.js';
import { type Member, memberPath, needsParent, type Source } from './source.js';

/** No engine has more directories one in the other. */
const maxDepth = 8;
const others = 0o022;

/** A directory whose files make a checkpoint. */
export class DirectorySource implements Source {
  readonly #fd: number;
  readonly #parent: Parent;

  /**
   * @param fd - Of the directory, which stays open.
   * @param parent - What becomes of the link to the images of an earlier pre-dump.
   */
  constructor(fd: number, parent: Parent = 'refuse') {
    this.#fd = fd;
    this.#parent = parent;
  }

  members(count: Count): AsyncGenerator<Member> {
    return walk(this.#fd, '', { count, parent: this.#parent }, maxDepth);
  }
}

/** What becomes of the link to the images of an earlier pre-dump. */
export type Parent = 'refuse' | 'pass';

interface Walk {
  readonly count: Count;
  readonly parent: Parent;
}

async function* walk(
  directory: number,
  prefix: string,
  walked: Walk,
  depth: number,
): AsyncGenerator<Member> {
  if (depth === 0) refuseArchive('its directories are too deep');
  const names = await readdir(pathOf(directory), { encoding: 'latin1' });
  for (const name of names.sort()) {
    const path = memberPath(`${prefix}${name}`);
    const fd = await openFd(below(directory, name), openPath | constants.O_NOFOLLOW);
    try {
      yield* entry(fd, path, walked, depth);
    } finally {
      closeSync(fd);
    }
  }
}

async function* entry(
  fd: number,
  path: string,
  walked: Walk,
  depth: number,
): AsyncGenerator<Member> {
  const { count, parent } = walked;
  const stats = await statFd(fd);
  const { size, mtimeMs } = stats;
  const isDirectory = stats.isDirectory();
  const name = Buffer.from(path, 'utf8').toString('latin1');
  if (stats.isSymbolicLink() && /(?:^|\/)parent$/.test(path)) {
    if (parent === 'pass') return;
    refuseArchive(needsParent);
  }
  if (!isDirectory && !stats.isFile()) refuseMember(name, 'is neither a file nor a directory');
  if ((stats.mode & others) !== 0 || ![0, process.geteuid?.()].includes(stats.uid)) {
    refuseMember(name, 'may be written by another user');
  }
  count.member(isDirectory ? 0 : size);
  count.name(path.length);
  const about = { path, isDirectory, mtime: mtimeMs / 1000 };
  if (isDirectory) {
    yield { ...about, size: 0, content: bytesOf(Buffer.alloc(0)) };
    yield* walk(fd, `${name}/`, walked, depth - 1);
    return;
  }
  const file = await openFd(pathOf(fd), constants.O_RDONLY);
  try {
    const content = new PartBytes(new FileBytes(file, 0, size), size, () => count.check());
    yield { ...about, size, content };
  } finally {
    closeSync(file);
  }
}

function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function below(fd: number, name: string): Buffer {
  return Buffer.from(`${pathOf(fd)}/${name}`, 'latin1');
}
