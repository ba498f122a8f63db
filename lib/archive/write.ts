import { createHash } from 'node:crypto';
import { statFd } from '../base/files.js';
import { type Scope, withScope } from '../base/scope.js';
import { writeChanges } from './changes-layer.js';
import { type Compression, compressionFor } from './compression.js';
import { addContainerdImage, containerdDefaults } from './containerd-image.js';
import { addCheckpoint, addImages, type Contents } from './contents.js';
import { members } from './members.js';
import { addImage, type Blob, type ImageFacts, type Layer } from './oci.js';
import { openNameless } from './still.js';
import { nameless, type Target } from './target.js';
import { ArchiveWriter } from './writer.js';

/**
 * What an archive is: one of all members, one of an OCI image that has these in a layer, or one of an image
 * as containerd makes it, of which each part is a blob.
 */
export type Format = 'tar' | 'oci-archive' | 'containerd';

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
  if (format === undefined || format === 'tar') return compressionFor(file, compression);
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
  const { target, format, compression, signal } = settings;
  if (format === 'tar') {
    await written(await ArchiveWriter.open(target, compression, signal), (writer) =>
      addCheckpoint(writer, contents),
    );
    return;
  }
  await withScope(async (scope) => {
    const add =
      format === 'containerd'
        ? await containerdImage(settings, contents, facts, scope)
        : await archiveImage(settings, contents, facts, scope);
    await written(await ArchiveWriter.open(target, 'none', signal), add);
  });
}

type Add = (writer: ArchiveWriter) => Promise<void>;

/** An image of which the archive is the layer. */
async function archiveImage(
  settings: WriteSettings,
  contents: Contents,
  facts: ImageFacts,
  scope: Scope,
): Promise<Add> {
  const { compression, signal } = settings;
  const diffId = createHash('sha256');
  const sum = (part: Buffer): unknown => diffId.update(part);
  const blob = await writeBlob(settings, scope, async (target) =>
    written(await ArchiveWriter.open(target, compression, signal, sum), (writer) =>
      addCheckpoint(writer, contents),
    ),
  );
  const layer: Layer = { ...blob, diffId: diffId.digest('hex'), compression };
  return (writer) => addImage(writer, layer, facts);
}

/** An image of which each part of the checkpoint is a blob. */
async function containerdImage(
  settings: WriteSettings,
  { images, spec, still }: Contents,
  { name, image = '', containerd = containerdDefaults(image) }: ImageFacts,
  scope: Scope,
): Promise<Add> {
  const { signal } = settings;
  const saved = await writeBlob(settings, scope, async (target) =>
    written(await ArchiveWriter.open(target, 'none', signal), (writer) =>
      addImages(writer, images),
    ),
  );
  const changed = still.find(({ member }) => member === members.rootfsDiff)?.archive;
  const changes =
    changed &&
    (await writeBlob(settings, scope, (target) => writeChanges(changed, target, signal)));
  const parts = { images: saved, changes, spec };
  return (writer) => addContainerdImage(writer, parts, name, containerd);
}

/** Writes a part of an image. Its name is the sum of its bytes, and stands before them. */
async function writeBlob(
  { target, scratch }: WriteSettings,
  scope: Scope,
  write: (target: Target) => Promise<void>,
): Promise<Blob> {
  const fd = await openNameless(scratch, scope);
  const digest = createHash('sha256');
  await write(nameless(fd, target.name, (part) => digest.update(part)));
  return { fd, size: (await statFd(fd)).size, digest: digest.digest('hex') };
}

async function written(writer: ArchiveWriter, add: Add): Promise<void> {
  try {
    await add(writer);
    await writer.finish();
  } catch (error) {
    await writer.abandon(error);
    throw error;
  }
}
