import { createHash } from 'node:crypto';
import { statFd } from '../base/files.js';
import { withScope } from '../base/scope.js';
import { type Compression, compressionFor } from './compression.js';
import { addCheckpoint, type Contents } from './contents.js';
import { addImage, type ImageFacts, type Layer } from './oci.js';
import { openNameless } from './still.js';
import { nameless, type Target } from './target.js';
import { ArchiveWriter } from './writer.js';

/** What an archive is: one of all members, or one of an OCI image that has these in a layer. */
export type Format = 'tar' | 'oci-archive';

/** How an archive is written. */
export interface WriteSettings {
  readonly target: Target;
  readonly format: Format;
  readonly compression: Compression;
  /** A directory for what has to be kept meanwhile. */
  readonly scratch: string;
  /** Gives it up. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Chooses how an archive is compressed. Of an image it is the layer that is, of which the name of the
 * file says nothing.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for zstd where this Node.js has none.
 */
export function compressionOf(
  file: string | undefined,
  { format, compression }: { format?: Format | undefined; compression?: Compression | undefined },
): Compression {
  if (format !== 'oci-archive') return compressionFor(file, compression);
  return compressionFor(undefined, compression ?? 'gzip');
}

/** Where large files are kept for a while, which the directory /tmp often has no room for. */
export function temporaryDirectory(): string {
  return process.env['TMPDIR'] || '/var/tmp';
}

/**
 * Writes an archive to its end, and waits until it has reached the disk.
 *
 * @throws CriuError `ERR_ARCHIVE_WRITE`
 */
export async function writeArchive(
  settings: WriteSettings,
  contents: Contents,
  facts: ImageFacts,
): Promise<void> {
  const { target, format, compression, scratch, signal } = settings;
  if (format === 'tar') {
    await written(await ArchiveWriter.open(target, compression, signal), (writer) =>
      addCheckpoint(writer, contents),
    );
    return;
  }
  await withScope(async (scope) => {
    // The name of a layer is the sum of its bytes, and stands before them.
    const fd = await openNameless(scratch, scope);
    const digest = createHash('sha256');
    const diffId = createHash('sha256');
    const blob = nameless(fd, target.name, (part) => digest.update(part));
    const sum = (part: Buffer): unknown => diffId.update(part);
    await written(await ArchiveWriter.open(blob, compression, signal, sum), (writer) =>
      addCheckpoint(writer, contents),
    );
    const layer: Layer = {
      fd,
      size: (await statFd(fd)).size,
      digest: digest.digest('hex'),
      diffId: diffId.digest('hex'),
      compression,
    };
    await written(await ArchiveWriter.open(target, 'none', signal), (writer) =>
      addImage(writer, layer, facts),
    );
  });
}

async function written(
  writer: ArchiveWriter,
  add: (writer: ArchiveWriter) => Promise<void>,
): Promise<void> {
  try {
    await add(writer);
    await writer.finish();
  } catch (error) {
    await writer.abandon(error);
    throw error;
  }
}
