import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { CriuError } from '../base/errors.js';
import type { ContainerdFacts } from '../container/engines/containerd.js';
import type { EngineName } from '../options/engine-names.js';
import {
  addBlob,
  addBytes,
  addJson,
  architecture,
  type Blob,
  beginLayout,
  configType,
  containerName,
  type Descriptor,
  indexType,
  layerTypes,
  manifestType,
  referenceOf,
} from './oci.js';
import type { ArchiveWriter } from './writer.js';

/** The parts of the image of a checkpoint that containerd restores. */
export interface ContainerdParts {
  /** The images, side by side in a tar. */
  readonly images: Blob;
  /** What the container has changed in its files, as a layer that is compressed with gzip. */
  readonly changes: Blob | undefined;
  /** The text of its specification. */
  readonly spec: string;
}

/** What containerd calls the parts of a checkpoint. */
export const containerdTypes = {
  images: 'application/vnd.containerd.container.criu.checkpoint.criu.tar',
  spec: 'application/vnd.containerd.container.checkpoint.config.v1+proto',
  runtimeOptions: 'application/vnd.containerd.container.checkpoint.runtime.options+proto',
} as const;

/** In the index of a checkpoint it is the image that the container was made of. */
export const referenceName = 'org.opencontainers.image.ref.name';

/** In a text within the specification its quotation marks have backslashes. */
const cgroupsPath = /("cgroupsPath"\s*:\s*)"(?:[^"\\]|\\.)*"/g;

/** What containerd has to know of a container that it has not had before. */
export function containerdDefaults(image: string): ContainerdFacts {
  return {
    image,
    snapshotter: 'overlayfs',
    runtime: 'io.containerd.runc.v2',
    runtimeOptions: undefined,
  };
}

/**
 * Refuses a container that containerd would not restore, before it is touched.
 *
 * @throws CriuError `ERR_CONTAINER_STATE`
 */
export function requireContainerds(
  id: string,
  { engine, containerd }: { engine: EngineName; containerd: ContainerdFacts | undefined },
): ContainerdFacts {
  if (containerd !== undefined) return containerd;
  const why =
    engine === 'containerd'
      ? 'its database does not tell of what image it was made'
      : `it belongs to ${engine}`;
  throw new CriuError(
    'ERR_CONTAINER_STATE',
    `Containerd cannot restore container ${JSON.stringify(id)} from an image: ${why}`,
  );
}

/**
 * Writes the image of a checkpoint as `ctr containers checkpoint` makes it, for `ctr images import` and `ctr
 * containers restore`. It is the index in the index of the layout, where containerd finds it by its name.
 *
 * @param name - That of the container.
 */
export async function addContainerdImage(
  writer: ArchiveWriter,
  parts: ContainerdParts,
  name: string,
  facts: ContainerdFacts,
): Promise<void> {
  await beginLayout(writer);
  const described = [
    await addNothing(writer),
    await addBlob(writer, containerdTypes.images, parts.images),
    await addBytes(writer, containerdTypes.spec, messageOf(parts.spec)),
  ];
  if (facts.runtimeOptions !== undefined) {
    described.push(await addBytes(writer, containerdTypes.runtimeOptions, facts.runtimeOptions));
  }
  if (parts.changes !== undefined) {
    described.push(await addBlob(writer, layerTypes.gzip, parts.changes));
  }
  const platform = { architecture, os: 'linux' };
  const index = await addJson(writer, indexType, {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: described.map((one) => ({ ...one, platform })),
    annotations: {
      [referenceName]: facts.image,
      [containerName]: name,
      'io.containerd.checkpoint.runtime': facts.runtime,
      'io.containerd.checkpoint.snapshotter': facts.snapshotter,
    },
  });
  const reference = referenceOf(name);
  const annotations = { 'io.containerd.image.name': reference, [referenceName]: reference };
  const layout = { schemaVersion: 2, mediaType: indexType, manifests: [{ ...index, annotations }] };
  await writer.addText('index.json', JSON.stringify(layout));
}

/** An image without files, which is what `ctr images import` unpacks: without one it fails in the end. */
async function addNothing(writer: ArchiveWriter): Promise<Descriptor> {
  const config = await addJson(writer, configType, {
    architecture,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
  });
  const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers: [] };
  return await addJson(writer, manifestType, manifest);
}

/**
 * The specification in a message Any of protobuf, in which containerd keeps it as JSON. The cgroup is left to
 * the runtime: containerd ends all that is in the cgroup of a container, and two of one specification would
 * have the same.
 */
function messageOf(spec: string): Buffer {
  const type = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';
  const message = new BinaryWriter();
  message.uint32(0x0a).string(type);
  message.uint32(0x12).bytes(Buffer.from(spec.replace(cgroupsPath, '$1""')));
  return Buffer.from(message.finish());
}
