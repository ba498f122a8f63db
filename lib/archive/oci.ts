import { createHash } from 'node:crypto';
import { arch, release } from 'node:os';
import type { ContainerdFacts } from '../container/engines/containerd.js';
import type { Compression } from './compression.js';
import type { ArchiveWriter } from './writer.js';

/** A part of an image that was written: an open file, with the digest that an image names it by. */
export interface Blob {
  readonly fd: number;
  readonly size: number;
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly digest: string;
}

/** The layer of an image. */
export interface Layer extends Blob {
  /** SHA-256 of what it was before it was compressed. */
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
  /** What containerd has to know of it. */
  readonly containerd?: ContainerdFacts | undefined;
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
export const configType = 'application/vnd.oci.image.config.v1+json';
/** An annotation that is the name of the container. */
export const containerName = 'org.criu.checkpoint.container.name';
export const indexType = 'application/vnd.oci.image.index.v1+json';
export const layerTypes: Readonly<Record<Compression, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/** The names that OCI has for processors. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The processor of this machine, as OCI calls it. */
export const architecture: string = architectures[arch()] ?? arch();

/** What an index or a manifest says of a part of an image. */
export interface Descriptor {
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
  await beginLayout(writer);
  const created = new Date().toISOString();
  const config = await addJson(writer, configType, {
    created,
    architecture,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.diffId}`] },
    history: [{ created, created_by: 'libcriu' }],
  });
  const described = await addBlob(writer, layerTypes[layer.compression], layer);
  const annotations = annotationsOf(facts);
  const manifest = await addJson(writer, manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config,
    layers: [described],
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
  const crio = 'io.kubernetes.cri-o.annotations.checkpoint';
  return {
    [containerName]: name,
    [`${crio}.name`]: name,
    [`${podman}.name`]: name,
    [`${podman}.runtime.name`]: runtime,
    [`${podman}.host.arch`]: architecture,
    [`${podman}.host.kernel`]: release(),
    ...(image === undefined ? {} : { [`${podman}.rootfsImageName`]: image }),
    ...(imageId === undefined ? {} : { [`${podman}.rootfsImageID`]: imageId }),
  };
}

/** Writes what stands at the beginning of a layout. */
export async function beginLayout(writer: ArchiveWriter): Promise<void> {
  await writer.addText('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writer.addDirectory('blobs');
  await writer.addDirectory('blobs/sha256');
}

/** Adds a part that was written before. */
export async function addBlob(
  writer: ArchiveWriter,
  mediaType: string,
  { fd, size, digest }: Blob,
): Promise<Descriptor> {
  await writer.addFile(`blobs/sha256/${digest}`, fd);
  return { mediaType, digest: `sha256:${digest}`, size };
}

/** Adds a part that describes others. */
export async function addJson(
  writer: ArchiveWriter,
  mediaType: string,
  value: object,
): Promise<Descriptor> {
  return await addBytes(writer, mediaType, Buffer.from(JSON.stringify(value)));
}

/** Adds a small part. */
export async function addBytes(
  writer: ArchiveWriter,
  mediaType: string,
  bytes: Buffer,
): Promise<Descriptor> {
  const digest = createHash('sha256').update(bytes).digest('hex');
  await writer.addText(`blobs/sha256/${digest}`, bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}
