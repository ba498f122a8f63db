import type { Bytes } from './bytes.js';
import type { Compression } from './compression.js';
import { decompressing } from './decompress.js';
import { refuseArchive, refuseMember } from './fault.js';
import type { Count } from './limits.js';
import { readTar } from './read-tar.js';
import { type Member, memberPath, needsParent, type Source } from './source.js';

/** A tar archive whose members make a checkpoint, compressed or not. */
export class TarSource implements Source {
  readonly #open: (count: Count) => AsyncGenerator<Bytes>;
  #compression: Compression | undefined;

  /** @param open - Gives the archive from its first byte on, once. */
  constructor(open: (count: Count) => AsyncGenerator<Bytes>) {
    this.#open = open;
  }

  /** How it is compressed, once it has been read. */
  get compression(): Compression | undefined {
    return this.#compression;
  }

  async *members(count: Count): AsyncGenerator<Member> {
    for await (const bytes of this.#open(count)) {
      yield* decompressing(bytes, count, (plain, compression) => {
        this.#compression = compression;
        return checkedMembers(plain, count);
      });
    }
  }
}

async function* checkedMembers(plain: Bytes, count: Count): AsyncGenerator<Member> {
  for await (const { name, type, size, mtime, content } of readTar(plain, count)) {
    if (type !== 'file' && type !== 'directory') {
      // podman makes one where the container has been pre-checkpointed.
      if (/^(?:\.\/)*checkpoint\/parent$/.test(name)) refuseArchive(needsParent);
      refuseMember(name, `is a ${type}`);
    }
    const path = memberPath(name);
    const isDirectory = type === 'directory';
    if (path === '') {
      if (!isDirectory) refuseMember(name, 'has no name');
      continue;
    }
    yield { path, isDirectory, size, mtime, content };
  }
}
