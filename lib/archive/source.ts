import type { Bytes } from './bytes.js';
import { refuseMember } from './fault.js';
import type { Count } from './limits.js';

/** A member of a checkpoint: a file or a directory, and nothing else. */
export interface Member {
  /** Relative, without `.`, `..` and empty parts. */
  readonly path: string;
  readonly isDirectory: boolean;
  readonly size: number;
  /** When it was written, in seconds. */
  readonly mtime: number;
  /** What it holds, which can be read until the next member is asked for. */
  readonly content: Bytes;
}

/** What the members of a checkpoint are read from, as often as need be. */
export interface Source {
  members(count: Count): AsyncGenerator<Member>;
}

const maxPath = 1024;
const maxName = 255;

/**
 * The path of a member, from the name that an archive has for it: relative, and below the directory that
 * it will be unpacked to.
 *
 * @param name - One character for each byte.
 */
export function memberPath(name: string): string {
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) refuseMember(name, 'has a name that is not UTF-8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: These are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(text)) refuseMember(name, 'has a name with control characters');
  if (text.startsWith('/')) refuseMember(name, 'has an absolute path');
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) refuseMember(name, 'leads outside');
  const path = parts.join('/');
  const isTooLong = path.length > maxPath || parts.some((part) => part.length > maxName);
  if (isTooLong) refuseMember(name, 'has a name that is too long');
  return path;
}

/** Refuses members that would be written one over the other. */
export class Uniqueness {
  readonly #kinds = new Map<string, 'file' | 'directory'>();

  add({ path, isDirectory }: Pick<Member, 'path' | 'isDirectory'>): void {
    for (let at = path.lastIndexOf('/'); at !== -1; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at);
      const known = this.#kinds.get(parent);
      if (known === 'file') refuse(path, 'is below a file');
      if (known === 'directory') break;
      this.#kinds.set(parent, 'directory');
    }
    const former = this.#kinds.get(path);
    if (former !== undefined && !(isDirectory && former === 'directory')) {
      refuse(path, 'is in it twice');
    }
    this.#kinds.set(path, isDirectory ? 'directory' : 'file');
  }
}

function refuse(path: string, why: string): never {
  refuseMember(Buffer.from(path, 'utf8').toString('latin1'), why);
}

/** Refuses what is not as the images of one checkpoint are: files side by side. */
export function checkImagesMember({
  path,
  isDirectory,
}: Pick<Member, 'path' | 'isDirectory'>): void {
  const [, below] = /^(?:pre-)?checkpoint\/(.*)$/s.exec(path) ?? [];
  if (below === undefined) return;
  if (isDirectory) refuse(path, 'is a directory among the images');
  if (below.includes('/')) refuse(path, 'is in a directory among the images');
}

/** Tells what stands in the way of images that need those of an earlier checkpoint. */
export const needsParent: string =
  'its images need those of an earlier pre-dump, which are not in it: restore from the directory of the ' +
  'images, with its parents beside it';
