import { readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../base/errors.js';
import type { ContainerState } from '../state/container.js';
import { readStateBytes } from '../state/json-value.js';
import { BoltBucket } from './bolt.js';
import { containerdBundles } from './identify.js';
import { imageConfig } from './layers/containerd.js';

/** What containerd has in its database of a container, beside the specification. */
export interface ContainerdFacts {
  /** The image that it was made of, by the name that containerd has for it. */
  image: string;
  /** The id of that image, if it is still the one that has the name. */
  imageId?: string | undefined;
  /** What keeps its files: `overlayfs`, `native`. */
  snapshotter: string;
  /** What starts its runtime: `io.containerd.runc.v2`. */
  runtime: string;
  /** What that was told, a message Any of protobuf. */
  runtimeOptions: Buffer | undefined;
}

/**
 * What containerd knows of one of its containers.
 *
 * @returns undefined where its database has nothing of it, or is being written.
 * @throws CriuError `ERR_UNTRUSTED_PATH` for a database that another user can have written.
 */
export async function containerdFacts(state: ContainerState): Promise<ContainerdFacts | undefined> {
  const root = await containerdRoot(state);
  if (root === undefined) return undefined;
  const file = join(root, 'io.containerd.metadata.v1.bolt/meta.db');
  const database = await readStateBytes(file, "containerd's database");
  if (database === undefined) return undefined;
  const namespace = basename(dirname(state.bundle));
  const facts = factsIn(database, namespace, state.id);
  return facts && { ...facts, imageId: await imageIdIn(root, database, namespace, state.id) };
}

/** The directory of what containerd keeps, which a bundle has a link into. */
async function containerdRoot({ bundle, id }: ContainerState): Promise<string | undefined> {
  const namespace = basename(dirname(bundle));
  const tail = `/${join(containerdBundles, namespace, id)}`;
  try {
    const work = await readlink(join(bundle, 'work'));
    return work.endsWith(tail) ? work.slice(0, -tail.length) : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'EINVAL') return undefined;
    throw error;
  }
}

/** An image is the one that a container was made of if the container's files lie over its own. */
async function imageIdIn(
  root: string,
  database: Buffer,
  name: string,
  id: string,
): Promise<string | undefined> {
  try {
    const namespace = BoltBucket.open(database).bucket('v1')?.bucket(name);
    const container = namespace?.bucket('containers')?.bucket(id);
    const text = (key: string): string => container?.text(key) ?? '';
    const target = namespace?.bucket('images')?.bucket(text('image'))?.bucket('target');
    const image = await imageConfig(root, target?.text('digest') ?? '');
    const snapshots = namespace?.bucket('snapshots')?.bucket(text('snapshotter'));
    const below = snapshots?.bucket(text('snapshotKey'))?.bytes('parent')?.toString('utf8');
    return image !== undefined && image.chainId === below ? image.id : undefined;
  } catch {
    return undefined;
  }
}

/** What a database has of a container: https://github.com/containerd/containerd, `metadata/buckets.go`. */
export function factsIn(
  database: Buffer,
  namespace: string,
  id: string,
): ContainerdFacts | undefined {
  try {
    const containers = BoltBucket.open(database)
      .bucket('v1')
      ?.bucket(namespace)
      ?.bucket('containers');
    const found = containers?.bucket(id);
    const runtime = found?.bucket('runtime');
    if (found === undefined || runtime === undefined) return undefined;
    const options = runtime.bytes('options');
    return {
      image: found.text('image'),
      snapshotter: found.text('snapshotter'),
      runtime: runtime.text('name'),
      runtimeOptions: options?.length ? Buffer.from(options) : undefined,
    };
  } catch {
    // It is being written, and its pages are in no order.
    return undefined;
  }
}
