import { createHash } from 'node:crypto';
import { piecesOf } from './bytes.js';
import { refuseArchive, refuseMember } from './fault.js';
import type { Count } from './limits.js';
import { checkImagesMember, type Member, type Source, Uniqueness } from './source.js';

/** What one pass over a checkpoint has found. */
export interface Scan {
  /** The files by their paths, with their sizes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** When files were written, in seconds. */
  readonly times: ReadonlyMap<string, number>;
  /** The content of the small files that tell what the checkpoint is of. */
  readonly texts: ReadonlyMap<string, Buffer>;
  readonly entries: number;
  readonly bytes: number;
}

/** What is kept of each of these files, and of all together. */
const maxText = 2 ** 23;
const maxTexts = 2 ** 26;
/** A manifest of an image is small; a layer is not. */
const maxManifest = 2 ** 20;

const told =
  /^(?:(?:config|spec|status|pod)\.dump|index\.json|oci-layout|(?:checkpoint\/)?(?:pstree\.img|libcriu-\w+\.json))$/;
const blob = /^blobs\/sha256\/([^/]+)$/;

/**
 * Reads a checkpoint from its first to its last byte, so that whoever reads it again knows that it is
 * whole and that every member of it can be unpacked.
 */
export async function scan(source: Source, count: Count): Promise<Scan> {
  const unique = new Uniqueness();
  const sizes = new Map<string, number>();
  const times = new Map<string, number>();
  const texts = new Map<string, Buffer>();
  let kept = 0;
  for await (const member of source.members(count)) {
    unique.add(member);
    checkImagesMember(member);
    if (member.isDirectory) continue;
    sizes.set(member.path, member.size);
    times.set(member.path, member.mtime);
    const text = await read(member);
    if (text === undefined) continue;
    texts.set(member.path, text);
    kept += text.length;
    if (kept > maxTexts) refuseArchive('what describes it is too large');
  }
  return { sizes, times, texts, entries: count.entries, bytes: count.bytes };
}

/** Keeps what a file says, if it describes the checkpoint, and compares a blob with its digest. */
async function read({ path, size, content }: Member): Promise<Buffer | undefined> {
  const [, digest] = blob.exec(path) ?? [];
  const isTold = told.test(path);
  if (digest === undefined && !isTold) return undefined;
  const name = Buffer.from(path, 'utf8').toString('latin1');
  if (isTold && size > maxText) refuseMember(name, `has ${size} bytes, too many to describe it`);
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(content)) {
    hash.update(piece);
    if (isTold || size <= maxManifest) pieces.push(piece);
  }
  if (digest !== undefined && hash.digest('hex') !== digest) {
    refuseMember(name, 'is not what its digest says');
  }
  return isTold || size <= maxManifest ? Buffer.concat(pieces) : undefined;
}
