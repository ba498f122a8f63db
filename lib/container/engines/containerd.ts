import { readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../base/errors.js';
import type { ContainerState } from '../state/container.js';
import { readStateBytes } from '../state/json-value.js';
import { BoltBucket } from './bolt.js';
import { containerdBundles } from './identify.js';

/** What containerd has in its database of a container, beside the specification. */
export interface ContainerdFacts {
  /** The image that it was made of, by the name that containerd has for it. */
  image: string;
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
  return factsIn(database, basename(dirname(state.bundle)), state.id);
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
    const text = (bucket: BoltBucket, key: string): string =>
      bucket.bytes(key)?.toString('utf8') ?? '';
    const options = runtime.bytes('options');
    return {
      image: text(found, 'image'),
      snapshotter: text(found, 'snapshotter'),
      runtime: text(runtime, 'name'),
      runtimeOptions: options?.length ? Buffer.from(options) : undefined,
    };
  } catch {
    // It is being written, and its pages are in no order.
    return undefined;
  }
}
