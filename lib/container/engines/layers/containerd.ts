import { join } from 'node:path';
import { CriuError } from '../../../base/errors.js';
import type { Host } from '../../../linux/host.js';
import { JsonValue, readStateBytes, readStateFile } from '../../state/json-value.js';
import { BoltBucket } from '../bolt.js';
import type { Daemon } from '../daemons.js';
import { containerdDirectories } from '../directories.js';
import { qualifiedName } from '../docker.js';
import { chainIds, digitsOf } from './digest.js';
import { type ImageLayers, incomplete, type WantedImage } from './image.js';

const owner = 'containerd';
/** What keeps files as layers that lie one over the other, and what keeps each time all of them. */
const snapshotters = [
  { snapshotter: 'overlayfs', below: 'fs', isWhole: false },
  { snapshotter: 'native', below: '', isWhole: true },
] as const;

/** The layers of an image of containerd, in any of its namespaces. */
export async function containerdLayers(
  wanted: WantedImage,
  daemons: readonly Daemon[],
  host: Host,
): Promise<ImageLayers | undefined> {
  for (const root of await containerdDirectories('root', '/var/lib/containerd', daemons, host)) {
    const found = await layersBelow(root, wanted).catch((error: unknown) => {
      if (error instanceof CriuError) throw error;
      // A database is being written, and its pages are in no order.
      return undefined;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

async function layersBelow(root: string, wanted: WantedImage): Promise<ImageLayers | undefined> {
  const database = await databaseIn(join(root, 'io.containerd.metadata.v1.bolt/meta.db'));
  const all = database?.bucket('v1');
  for (const name of all?.buckets() ?? []) {
    const namespace = all?.bucket(name);
    const found = namespace && (await layersIn(root, namespace, wanted));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function databaseIn(file: string): Promise<BoltBucket | undefined> {
  const bytes = await readStateBytes(file, "containerd's database");
  return bytes && BoltBucket.open(bytes);
}

async function layersIn(
  root: string,
  namespace: BoltBucket,
  wanted: WantedImage,
): Promise<ImageLayers | undefined> {
  const images = namespace.bucket('images');
  for (const name of images?.buckets() ?? []) {
    // An id is known only by what is in the image.
    if (wanted.id === undefined && qualifiedName(name) !== qualifiedName(wanted.name ?? ''))
      continue;
    const target = images?.bucket(name)?.bucket('target')?.text('digest') ?? '';
    const image = await imageConfig(root, target);
    // docker has the digest of the whole for an id where it leaves its images to containerd.
    const isIt = wanted.id === undefined || [image?.id, digitsOf(target)].includes(wanted.id);
    if (image === undefined || !isIt) continue;
    const found = await snapshotOf(root, namespace, image.chainId);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The platform of this machine, as Go calls it. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * What an image for this machine is called, in an index or not.
 *
 * @param root - The directory of what containerd keeps.
 * @param digest - Of the image, `sha256:DIGITS`.
 * @returns its id, and the name of its highest layer; undefined where it is not whole.
 */
export async function imageConfig(
  root: string,
  digest: string,
  depth = 3,
): Promise<{ id: string; chainId: string } | undefined> {
  const document = await contentOf(root, digest);
  if (document === undefined || depth === 0) return undefined;
  const id = digitsOf(document.get('config').get('digest').optionalString());
  if (id !== undefined) {
    const config = await contentOf(root, id);
    if (config === undefined) return undefined;
    return { id, chainId: chainIds(config.get('rootfs').get('diff_ids').strings()).at(-1) ?? '' };
  }
  const wanted = architectures[process.arch] ?? process.arch;
  for (const one of document.get('manifests').list()) {
    const architecture = one.get('platform').get('architecture').optionalString();
    if (architecture !== '' && architecture !== wanted) continue;
    const found = await imageConfig(root, one.get('digest').optionalString(), depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function contentOf(root: string, digest: string): Promise<JsonValue | undefined> {
  const digits = digitsOf(digest);
  if (digits === undefined) return undefined;
  const file = join(root, 'io.containerd.content.v1.content/blobs/sha256', digits);
  const text = await readStateFile(file, "containerd's content");
  return text === undefined ? undefined : JsonValue.parse(file, text);
}

/** The directories of a snapshot of an image, if one of the snapshotters has it. */
async function snapshotOf(
  root: string,
  namespace: BoltBucket,
  chainId: string,
): Promise<ImageLayers | undefined> {
  for (const { snapshotter, below, isWhole } of snapshotters) {
    const known = namespace.bucket('snapshots')?.bucket(snapshotter)?.bucket(chainId);
    const key = known?.bytes('name')?.toString('utf8');
    if (key === undefined) continue;
    const place = join(root, `io.containerd.snapshotter.v1.${snapshotter}`);
    const file = join(place, 'metadata.db');
    const all = (await databaseIn(file))?.bucket('v1')?.bucket('snapshots');
    const ids = idsOf(all, key);
    if (ids.length === 0) throw incomplete(owner, `snapshot ${key} in ${file}`);
    const directories = ids.map((id) => join(place, 'snapshots', String(id), below));
    return { owner, directories: isWhole ? directories.slice(0, 1) : directories };
  }
  return undefined;
}

/** The numbers of a snapshot and of those below it; none where one of them is not there. */
function idsOf(snapshots: BoltBucket | undefined, key: string): number[] {
  const ids: number[] = [];
  for (let at = key; at !== ''; ) {
    const snapshot = snapshots?.bucket(at);
    const id = varintIn(snapshot?.bytes('id'));
    if (snapshot === undefined || id === undefined || ids.includes(id)) return [];
    ids.push(id);
    at = snapshot.text('parent');
  }
  return ids;
}

/** A number as Go's encoding/binary has it. */
function varintIn(bytes: Buffer | undefined): number | undefined {
  let value = 0;
  let scale = 1;
  for (const byte of bytes ?? []) {
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined;
    scale *= 128;
  }
  return undefined;
}
