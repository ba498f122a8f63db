import { chunkSize, piecesOf } from '../archive/bytes.js';
import { readingArchive, refuseArchive } from '../archive/fault.js';
import type { Count } from '../archive/limits.js';
import type { Member, Source } from '../archive/source.js';
import { decode } from '../images/codec/decode.js';
import { refuseImage } from '../images/codec/fault.js';
import { readingImage } from '../images/codec/file.js';
import type { DecodedImage } from '../images/codec/types.js';
import { shownPath } from '../linux/paths.js';
import { Entry } from './entry.js';

/** A part of a file. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of a range, in the order in which they are in the file. */
export interface Piece {
  readonly range: Range;
  readonly bytes: Buffer;
}

/** So much is kept of the images of one checkpoint, which hold no memory. */
const maxKept = 2 ** 28;
const inImages = /^checkpoint\/([^/]+)$/;
/** What is not looked at: the memory, the content of file systems, and what is meant for other programs. */
const isPassedOver = /^pages-|\.tar\.gz\.img$|^(?:ghost-file|iptables|ip6tables|nftables)-|\.log$/;

/** The images of one directory, of which those with memory are only read in parts. */
export class ImageFiles {
  /** Their place, for sentences and people. */
  readonly path: string;
  readonly #source: Source;
  readonly #count: () => Count;
  readonly #sizes = new Map<string, number>();
  readonly #contents = new Map<string, Buffer>();
  readonly #decoded = new Map<string, readonly Entry[]>();

  private constructor(path: string, source: Source, count: () => Count) {
    this.path = path;
    this.#source = source;
    this.#count = count;
  }

  /**
   * Reads all images but those with memory.
   *
   * @param source - It has the images below `checkpoint/`.
   * @param count - Gives what bounds one pass.
   */
  static async read(path: string, source: Source, count: () => Count): Promise<ImageFiles> {
    const files = new ImageFiles(path, source, count);
    await files.#readAll();
    return files;
  }

  async #readAll(): Promise<void> {
    let kept = 0;
    for await (const { path, isDirectory, size, content } of this.#source.members(this.#count())) {
      // podman has the statistics beside the images.
      const name = path === 'stats-dump' ? path : inImages.exec(path)?.[1];
      if (name === undefined || isDirectory) continue;
      this.#sizes.set(name, size);
      if (isPassedOver.test(name)) continue;
      kept += size;
      if (kept > maxKept) refuseArchive('its images without memory are too large to be looked at');
      const pieces: Buffer[] = [];
      for await (const piece of piecesOf(content)) pieces.push(piece);
      this.#contents.set(name, Buffer.concat(pieces));
    }
  }

  /** The names of the files and their sizes. */
  get sizes(): ReadonlyMap<string, number> {
    return this.#sizes;
  }

  /** What a file holds, if it is there and no memory. */
  content(name: string): Buffer | undefined {
    return this.#contents.get(name);
  }

  /**
   * The entries of an image; none where there is no such image.
   *
   * @throws CriuError `ERR_CRIU_IMAGE`
   */
  async entries(name: string): Promise<readonly Entry[]> {
    const known = this.#decoded.get(name);
    if (known !== undefined) return known;
    const content = this.#contents.get(name);
    if (content === undefined) return [];
    const shown = ` ${shownPath(name)} of ${shownPath(this.path)}`;
    const { entries } = await readingImage(shown, async () => decodeAs(name, content));
    const decoded = entries.map((entry) => new Entry(entry));
    this.#decoded.set(name, decoded);
    return decoded;
  }

  /** The first entry of an image, or an empty one. */
  async first(name: string): Promise<Entry> {
    return (await this.entries(name))[0] ?? new Entry({});
  }

  /** Reads a file with pages. It has to be closed. */
  reader(name: string): PageReader {
    return new PageReader(this.path, name, () => this.#source.members(this.#count()));
  }

  /**
   * Reads parts of files, in one pass over all of them.
   *
   * @param wanted - The parts by the names of the files, in the order in which they are in there. None of
   * them begins before the end of the one before it.
   */
  async *read(wanted: ReadonlyMap<string, readonly Range[]>): AsyncGenerator<Piece> {
    if (wanted.size === 0) return;
    try {
      yield* this.#readRanges(wanted);
    } catch (error) {
      await readingArchive(this.path, () => Promise.reject(error));
    }
  }

  async *#readRanges(wanted: ReadonlyMap<string, readonly Range[]>): AsyncGenerator<Piece> {
    for await (const { path, content } of this.#source.members(this.#count())) {
      const ranges = wanted.get(inImages.exec(path)?.[1] ?? '');
      let at = 0;
      for (const range of ranges ?? []) {
        // A damaged checkpoint may have two pagemaps for the same pages.
        if (range.offset < at) refuseArchive(`its ${path} is told of twice`);
        at += await content.skip(range.offset - at);
        const end = range.offset + range.length;
        while (at < end) {
          const bytes = await content.read(Math.min(chunkSize, end - at));
          if (bytes.length === 0) break;
          at += bytes.length;
          yield { range, bytes };
        }
      }
    }
  }
}

/** Reads parts of one file, one after the other. A part before the last one costs a new pass. */
export class PageReader {
  readonly #path: string;
  readonly #name: string;
  readonly #open: () => AsyncGenerator<Member>;
  #members: AsyncGenerator<Member> | undefined;
  #content: Member['content'] | undefined;
  #at = 0;

  /** Use {@link ImageFiles.reader}. */
  constructor(path: string, name: string, open: () => AsyncGenerator<Member>) {
    this.#path = path;
    this.#name = name;
    this.#open = open;
  }

  /** Reads at least one byte and at most so many; none where the file has no more. */
  async read(offset: number, length: number): Promise<Buffer> {
    return await readingArchive(this.#path, () => this.#read(offset, length));
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.#at) await this.close();
    this.#content ??= await this.#find();
    this.#at += (await this.#content?.skip(offset - this.#at)) ?? 0;
    const bytes = (await this.#content?.read(length)) ?? Buffer.alloc(0);
    this.#at += bytes.length;
    return bytes;
  }

  async close(): Promise<void> {
    await this.#members?.return(undefined);
    this.#members = undefined;
    this.#content = undefined;
    this.#at = 0;
  }

  async #find(): Promise<Member['content'] | undefined> {
    this.#members = this.#open();
    for (;;) {
      const { done, value } = await this.#members.next();
      if (done) return undefined;
      if (inImages.exec(value.path)?.[1] === this.#name) return value.content;
    }
  }
}

/** What the images are that are looked at, where their names tell otherwise. */
const magics: readonly (readonly [RegExp, string])[] = [
  [/^pstree\./, 'PSTREE'],
  [/^core-/, 'CORE'],
  [/^mm-/, 'MM'],
  [/^pagemap-/, 'PAGEMAP'],
  [/^files\./, 'FILES'],
  [/^fdinfo-/, 'FDINFO'],
];

/** Decodes an image whose kind its name tells. */
function decodeAs(name: string, content: Buffer): DecodedImage {
  const image = decode(content);
  const expected = magics.find(([pattern]) => pattern.test(name))?.[1] ?? image.magic;
  if (image.magic !== expected) refuseImage(`it is a ${image.magic}, and no ${expected}`);
  return image;
}
