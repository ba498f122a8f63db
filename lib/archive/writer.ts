import { type Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { readFd, statFd } from '../base/files.js';
import { type Compression, compressor } from './compression.js';
import { writeFailure } from './failure.js';
import type { Target } from './target.js';

/** How much of a file is read at a time. */
const chunkSize = 1 << 20;

/** Writes one archive, member by member, and never has more of it in memory than a few chunks. */
export class ArchiveWriter {
  readonly #pack: Pack;
  readonly #target: Target;
  readonly #signal: AbortSignal | undefined;
  /** Ends with the archive; it rejects with what keeps it from being written. */
  readonly #written: Promise<void>;

  private constructor(
    pack: Pack,
    target: Target,
    compression: Compression,
    signal: AbortSignal | undefined,
    see: ((part: Buffer) => unknown) | undefined,
  ) {
    this.#pack = pack;
    this.#target = target;
    this.#signal = signal;
    const compress = compressor(compression);
    // streamx, which is what the package has streams of, is known to Node.js only by its methods.
    const stages = [
      pack as unknown as Readable,
      ...(see ? [seenBy(see)] : []),
      ...(compress ? [compress] : []),
      target.stream,
    ];
    const settings = signal === undefined ? {} : { signal };
    this.#written = pipeline(stages as [Readable, Writable], settings);
    this.#written.catch(() => {}); // whoever writes a member is told
    pack.on('error', () => {});
  }

  /**
   * Starts an archive.
   *
   * @param signal - Gives it up.
   * @param see - Gets all bytes before they are compressed.
   */
  static async open(
    target: Target,
    compression: Compression,
    signal?: AbortSignal,
    see?: (part: Buffer) => unknown,
  ): Promise<ArchiveWriter> {
    const { pack } = await import('tar-stream');
    return new ArchiveWriter(pack(), target, compression, signal, see);
  }

  /** Adds a file that is made of a text. */
  async addText(name: string, text: string | Buffer): Promise<void> {
    await this.#add(
      () =>
        new Promise((resolve, reject) => {
          const content = Buffer.from(text);
          const header = { name, mode: 0o600, size: content.length };
          const done = (error?: Error | null): void => (error ? reject(error) : resolve());
          this.#pack.entry(header, content, done).on('error', reject);
        }),
    );
  }

  /** Adds a directory without what is in it. */
  async addDirectory(name: string): Promise<void> {
    await this.#add(
      () =>
        new Promise((resolve, reject) => {
          const header = { name, type: 'directory', mode: 0o700 } as const;
          const done = (error?: Error | null): void => (error ? reject(error) : resolve());
          this.#pack.entry(header, done).on('error', reject);
        }),
    );
  }

  /**
   * Adds what an open file has now.
   *
   * @param fd - It stays open.
   */
  async addFile(name: string, fd: number): Promise<void> {
    await this.#add(async () => {
      const { size } = await statFd(fd);
      const entry = this.#pack.entry({ name, mode: 0o600, size });
      await pipeline(contentOf(fd, size), entry as unknown as Writable);
    });
  }

  /**
   * Writes the end, and waits until all has reached the disk.
   *
   * @throws CriuError `ERR_ARCHIVE_WRITE`
   */
  async finish(): Promise<void> {
    await this.#add(async () => {
      this.#pack.finalize();
      await this.#written;
      await this.#target.sync();
    });
  }

  /** Gives the archive up. */
  async abandon(cause: unknown): Promise<void> {
    this.#pack.destroy(cause instanceof Error ? cause : new Error('the archive was given up'));
    await this.#written.catch(() => {});
  }

  /** Runs a step. What stopped the archive is the cause, and not what the step made of that. */
  async #add(step: () => Promise<void>): Promise<void> {
    try {
      await Promise.race([step(), this.#untilBroken()]);
    } catch (error) {
      this.#pack.destroy(error instanceof Error ? error : undefined);
      const cause = await this.#written.then(
        () => error,
        (first: unknown) => first,
      );
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw writeFailure(this.#target.name, cause);
    }
  }

  /** Never resolves: a member may wait for ever where nobody reads the stream any more. */
  async #untilBroken(): Promise<never> {
    await this.#written;
    return await new Promise(() => {});
  }
}

/** Passes on what it gets, when somebody has seen it. */
function seenBy(see: (part: Buffer) => unknown): Transform {
  return new Transform({
    transform(part: Buffer, _encoding, done) {
      see(part);
      done(null, part);
    },
  });
}

/** What an open file has now. One that has become shorter is refused, for its length has been written. */
export async function* contentOf(fd: number, size: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < size; ) {
    const length = Math.min(chunkSize, size - position);
    const { bytesRead, buffer } = await readFd(fd, Buffer.alloc(length), 0, length, position);
    if (bytesRead === 0) throw new Error('a file has become shorter while it was archived');
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}
