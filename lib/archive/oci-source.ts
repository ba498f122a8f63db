import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type Bytes, bytesOf } from './bytes.js';
import { containerdTypes as containerd, referenceName } from './containerd-image.js';
import { refuseArchive } from './fault.js';
import { Told } from './json.js';
import type { Count } from './limits.js';
import { members as names } from './members.js';
import { containerName } from './oci.js';
import type { Scan } from './scan.js';
import type { Member, Source } from './source.js';
import { TarSource } from './tar-source.js';

const index = /^application\/vnd\.(?:oci\.image\.index|docker\.distribution\.manifest\.list)\./;
const manifest = /^application\/vnd\.(?:oci\.image|docker\.distribution)\.manifest\./;
const layer = /^application\/vnd\.(?:oci|docker)\.image\.(?:layer|rootfs)\./;

/** The name that the changes of the root file system have in a checkpoint of containerd: a layer. */
export const rootfsLayer = 'rootfs-layer.tar';

/** A checkpoint in an image of the Open Container Initiative. */
interface ImageCheckpoint {
  source: Source;
  /** Whether containerd has made it, or it is the archive of another engine in a layer. */
  isContainerds: boolean;
  /** The image that the container was made of, and its name, where the index tells. */
  image: string | undefined;
  name: string | undefined;
}

/** Something that an index or a manifest points to. */
interface Descriptor {
  type: string;
  /** Where the layout has it. */
  path: string;
  /** Those of the index in which it is. */
  annotations: Told;
}

/**
 * Finds the checkpoint in a layout of an image: one that podman, CRI-O or we make has an archive as its
 * layer, and one of containerd has each part as a blob of its own.
 *
 * @param found - What is in the layout.
 */
export function checkpointInImage(layout: Source, found: Scan): ImageCheckpoint {
  const leaves = leavesOf(Told.parse('index.json', found.texts.get('index.json')), found, 4);
  const parts = leaves.filter(({ type }) => !manifest.test(type));
  const images = parts.find(({ type }) => type === containerd.images);
  if (images !== undefined) {
    const source = new ContainerdSource(layout, images, parts, found);
    const tell = (key: string): string | undefined => images.annotations.get(key).text;
    return { source, isContainerds: true, image: tell(referenceName), name: tell(containerName) };
  }
  const manifests = leaves.filter(({ type }) => manifest.test(type));
  const [only] = manifests;
  if (only === undefined || manifests.length > 1) {
    refuseArchive(`it has ${manifests.length} images where one with a checkpoint is expected`);
  }
  const told = documentOf(only, found);
  const layers = told.get('layers').list.map((one) => descriptorOf(one, told.get('annotations')));
  const [archive] = layers;
  if (archive === undefined || layers.length > 1) {
    refuseArchive(`it is an image with ${layers.length} layers, where one of a checkpoint has one`);
  }
  const source = new TarSource((count) => contentOf(layout, archive.path, count));
  return { source, isContainerds: false, image: undefined, name: undefined };
}

/** All that an index, and those in it, point to. */
function leavesOf(document: Told, found: Scan, depth: number): Descriptor[] {
  if (depth === 0) refuseArchive('its indexes are nested too deep');
  return document.get('manifests').list.flatMap((one) => {
    const descriptor = descriptorOf(one, document.get('annotations'));
    if (!index.test(descriptor.type)) return [descriptor];
    return leavesOf(documentOf(descriptor, found), found, depth - 1);
  });
}

function descriptorOf(told: Told, annotations: Told): Descriptor {
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(told.get('digest').text ?? '') ?? [];
  if (hex === undefined) refuseArchive('a digest in it is not one of SHA-256');
  const path = `blobs/sha256/${hex}`;
  return { type: told.get('mediaType').text ?? '', path, annotations };
}

function documentOf({ path }: Descriptor, found: Scan): Told {
  const text = found.texts.get(path);
  if (text === undefined) refuseArchive(`its ${path} is missing`);
  return Told.parse(path, text);
}

/** The bytes of one file of a layout. */
async function* contentOf(layout: Source, path: string, count: Count): AsyncGenerator<Bytes> {
  for await (const member of layout.members(count.inner())) {
    if (member.path !== path) continue;
    yield member.content;
    return;
  }
  refuseArchive(`its ${path} is missing`);
}

/** The parts of a checkpoint of containerd, under the names that other engines give them. */
class ContainerdSource implements Source {
  readonly #layout: Source;
  readonly #images: Source;
  readonly #spec: Buffer | undefined;
  readonly #changes: Descriptor | undefined;

  constructor(layout: Source, images: Descriptor, parts: readonly Descriptor[], found: Scan) {
    this.#layout = layout;
    this.#images = new TarSource((count) => contentOf(layout, images.path, count));
    const spec = parts.find(({ type }) => type === containerd.spec);
    this.#spec = spec && specIn(found.texts.get(spec.path));
    this.#changes = parts.find(({ type }) => layer.test(type));
  }

  async *members(count: Count): AsyncGenerator<Member> {
    if (this.#spec !== undefined) yield fileOf(names.specDump, this.#spec);
    for await (const member of this.#images.members(count)) {
      yield { ...member, path: `${names.checkpoint}/${member.path}` };
    }
    if (this.#changes === undefined) return;
    for await (const content of contentOf(this.#layout, this.#changes.path, count)) {
      yield { path: rootfsLayer, isDirectory: false, size: 0, mtime: 0, content };
    }
  }
}

/** A flat archive, or directory, of images, which is put where other engines have it. */
export class FlatSource implements Source {
  readonly #images: Source;

  constructor(images: Source) {
    this.#images = images;
  }

  async *members(count: Count): AsyncGenerator<Member> {
    for await (const member of this.#images.members(count)) {
      yield { ...member, path: `${names.checkpoint}/${member.path}` };
    }
  }
}

function fileOf(path: string, content: Buffer): Member {
  const size = content.length;
  return { path, isDirectory: false, size, mtime: 0, content: bytesOf(content) };
}

/** The specification in a message Any of protobuf, in which containerd keeps it as JSON. */
function specIn(message: Buffer | undefined): Buffer {
  try {
    const reader = new BinaryReader(message ?? new Uint8Array(0));
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 2 && type === WireType.LengthDelimited) return Buffer.from(reader.bytes());
      reader.skip(type, field);
    }
  } catch {
    // It is refused below.
  }
  return refuseArchive('its specification of the container cannot be read');
}
