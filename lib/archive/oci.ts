import { createHash } from 'node:crypto';
import { arch, release } from 'node:os';
import type { Compression } from './compression.js';
import type { ArchiveWriter } from './writer.js';

/** A layer that was written: an open file, with the digests that an image names it by. */
export interface Layer {
  readonly fd: number;
  readonly size: number;
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly digest: string;
  /** The same of what it was before it was compressed. */
  readonly diffId: string;
  readonly compression: Compression;
}

/** What the image of a checkpoint says of it. */
export interface ImageFacts {
  /** The name of the container. */
  readonly name: string;
  readonly runtime: string;
  /** The image that the container was made of. */
  readonly image?: string | undefined;
  readonly imageId?: string | undefined;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const layerTypes: Readonly<Record<Compression, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/** The names that OCI has for processors. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** A part of an image, by its content. */
interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes an image whose one layer is the archive of a checkpoint, as the layout that OCI has for it.
 * Its annotations are those by which podman, CRI-O and containerd's CRI know such an image.
 */
export async function addImage(
  writer: ArchiveWriter,
  layer: Layer,
  facts: ImageFacts,
): Promise<void> {
  await writer.addText('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writer.addDirectory('blobs');
  await writer.addDirectory('blobs/sha256');
  const created = new Date().toISOString();
  const config = await addBlob(writer, configType, {
    created,
    architecture: architectures[arch()] ?? arch(),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.diffId}`] },
    history: [{ created, created_by: 'libcriu' }],
  });
  const layerBlob: Blob = {
    mediaType: layerTypes[layer.compression],
    digest: `sha256:${layer.digest}`,
    size: layer.size,
  };
  await writer.addFile(`blobs/sha256/${layer.digest}`, layer.fd);
  const annotations = annotationsOf(facts);
  const manifest = await addBlob(writer, manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config,
    layers: [layerBlob],
    annotations,
  });
  const named = { 'org.opencontainers.image.ref.name': referenceOf(facts.name) };
  const index = {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: [{ ...manifest, annotations: named }],
  };
  await writer.addText('index.json', JSON.stringify(index));
}

/** The name that the image has where it is loaded. */
export function referenceOf(name: string): string {
  const path = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return `localhost/${path.replaceAll(/^-|-$/g, '') || 'container'}:checkpoint`;
}

/** `.runtime.name` is the runtime that podman has to have for it. */
function annotationsOf({ name, runtime, image, imageId }: ImageFacts): Record<string, string> {
  const podman = 'io.podman.annotations.checkpoint';
  return {
    'org.criu.checkpoint.container.name': name,
    [`${podman}.name`]: name,
    [`${podman}.runtime.name`]: runtime,
    [`${podman}.host.arch`]: architectures[arch()] ?? arch(),
    [`${podman}.host.kernel`]: release(),
    ...(image === undefined ? {} : { [`${podman}.rootfsImageName`]: image }),
    ...(imageId === undefined ? {} : { [`${podman}.rootfsImageID`]: imageId }),
  };
}

async function addBlob(writer: ArchiveWriter, mediaType: string, value: object): Promise<Blob> {
  const text = Buffer.from(JSON.stringify(value));
  const digest = createHash('sha256').update(text).digest('hex');
  await writer.addText(`blobs/sha256/${digest}`, text);
  return { mediaType, digest: `sha256:${digest}`, size: text.length };
}
