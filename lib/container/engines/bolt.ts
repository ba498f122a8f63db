// The databases of bbolt, of which podman 4 and containerd have one: https://github.com/etcd-io/bbolt. Numbers are little-endian.

const leafFlag = 2;
const branchFlag = 1;
const metaFlag = 4;
/** An element whose value is a bucket. */
const bucketFlag = 1;
const magic = 0xed0cdaed;
const pageHeader = 16;
const elementSize = 16;
/** Before the page of a bucket that lies within its value. */
const bucketHeader = 16;

/** An entry of a bucket. */
interface Entry {
  readonly key: string;
  readonly value: Buffer;
  readonly isBucket: boolean;
}

/** A bucket of an open database, which holds values and other buckets. */
export class BoltBucket {
  readonly #entries: readonly Entry[];
  readonly #file: Buffer;
  readonly #pageSize: number;

  private constructor(file: Buffer, pageSize: number, entries: readonly Entry[]) {
    this.#file = file;
    this.#pageSize = pageSize;
    this.#entries = entries;
  }

  /**
   * Reads the topmost bucket.
   *
   * @throws RangeError, Error for a file that is no database, or is being written.
   */
  static open(file: Buffer): BoltBucket {
    const metas = [metaAt(file, 0), metaAt(file, file.length > 20 ? pageSizeOf(file) : 0)];
    const newest = metas.sort((a, b) => Number((b?.txid ?? -1n) - (a?.txid ?? -1n)))[0];
    if (newest === undefined) throw new Error('not a database of bbolt');
    const { pageSize, root } = newest;
    return new BoltBucket(file, pageSize, entriesOn(file, pageSize, root, new Set()));
  }

  /** The bucket of a name in this one. */
  bucket(key: string): BoltBucket | undefined {
    const found = this.#entries.find((entry) => entry.key === key && entry.isBucket);
    if (found === undefined) return undefined;
    const root = Number(found.value.readBigUInt64LE(0));
    const entries =
      root === 0
        ? entriesIn(this.#file, this.#pageSize, found.value.subarray(bucketHeader), new Set())
        : entriesOn(this.#file, this.#pageSize, root, new Set());
    return new BoltBucket(this.#file, this.#pageSize, entries);
  }

  /** The names of the buckets in this one. */
  buckets(): string[] {
    return this.#entries.filter(({ isBucket }) => isBucket).map(({ key }) => key);
  }

  /** The value of a key. */
  bytes(key: string): Buffer | undefined {
    return this.#entries.find((entry) => entry.key === key && !entry.isBucket)?.value;
  }

  /** The same as a text; empty where there is none. */
  text(key: string): string {
    return this.bytes(key)?.toString('utf8') ?? '';
  }

  /** All values as texts, each with its key. */
  all(): [string, string][] {
    return this.#entries
      .filter(({ isBucket }) => !isBucket)
      .map(({ key, value }) => [key, value.toString('utf8')]);
  }
}

function pageSizeOf(file: Buffer): number {
  return file.readUInt32LE(pageHeader + 8);
}

function metaAt(
  file: Buffer,
  at: number,
): { pageSize: number; root: number; txid: bigint } | undefined {
  if (file.length < at + 80 || (file.readUInt16LE(at + 8) & metaFlag) === 0) return undefined;
  const meta = at + pageHeader;
  if (file.readUInt32LE(meta) !== magic) return undefined;
  return {
    pageSize: file.readUInt32LE(meta + 8),
    root: Number(file.readBigUInt64LE(meta + 16)),
    txid: file.readBigUInt64LE(meta + 48),
  };
}

function entriesOn(file: Buffer, pageSize: number, page: number, seen: Set<number>): Entry[] {
  if (seen.has(page)) throw new Error('the pages of the database are a circle');
  seen.add(page);
  return entriesIn(file, pageSize, file.subarray(page * pageSize), seen);
}

function entriesIn(file: Buffer, pageSize: number, page: Buffer, seen: Set<number>): Entry[] {
  const flags = page.readUInt16LE(8);
  const elements = Array.from({ length: page.readUInt16LE(10) }, (_, index) =>
    page.subarray(pageHeader + index * elementSize),
  );
  if ((flags & branchFlag) !== 0) {
    return elements.flatMap((element) =>
      entriesOn(file, pageSize, Number(element.readBigUInt64LE(8)), seen),
    );
  }
  if ((flags & leafFlag) === 0) throw new Error('a page of the database is of no known kind');
  return elements.map((element) => {
    const start = element.readUInt32LE(4);
    const end = start + element.readUInt32LE(8);
    return {
      key: element.toString('utf8', start, end),
      value: element.subarray(end, end + element.readUInt32LE(12)),
      isBucket: (element.readUInt32LE(0) & bucketFlag) !== 0,
    };
  });
}
