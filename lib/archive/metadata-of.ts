import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CriuError } from '../base/errors.js';
import { type ContainerdFacts, containerdFacts } from '../container/engines/containerd.js';
import { qualifiedName } from '../container/engines/docker.js';
import { engineOf, factsOf } from '../container/engines/identify.js';
import { podmanConfig } from '../container/engines/podman.js';
import { startedAt } from '../container/list-on.js';
import type { ContainerState } from '../container/state/container.js';
import { crunConfigFile } from '../container/state/crun.js';
import { readStateFile } from '../container/state/json-value.js';
import type { Host } from '../linux/host.js';
import type { EngineName } from '../options/engine-names.js';
import type { ConfigDump, NamedVolume, StatusDump } from './metadata.js';

/** What an archive says of its container, each as the text of its member. */
export interface Metadata {
  config: string;
  spec: string;
  status: string;
  /** The name by which its engine knows the container. */
  name: string;
  /** The image that it was made of. */
  image: string | undefined;
  /** The id of that image. */
  imageId: string | undefined;
  runtime: string;
  /** What containerd has to know of it; undefined for a container that it would not restore. */
  containerd: ContainerdFacts | undefined;
  warnings: readonly string[];
}

/** In a millisecond. */
const nanoseconds = 1_000_000;
/** The directory in which podman keeps a volume is `volumes/NAME/_data`. */
const volumePath = /\/volumes\/([^/]+)\/_data$/;

/** Reads what there is to say of a container, before it is checkpointed. */
export async function metadataOf(container: ContainerState, host: Host): Promise<Metadata> {
  const { annotations, runtime, stateDir, bundle } = container;
  const engine = engineOf(container);
  const facts = await factsOf(container);
  const containerd = engine === 'containerd' ? await containerdFacts(container) : undefined;
  const known = facts.image ?? (containerd?.image || undefined);
  const image = known && engine === 'docker' ? qualifiedName(known) : known;
  const name = facts.name.replaceAll('/', '_');
  const made = makeMetadata({
    ...facts,
    image,
    imageId: facts.imageId ?? containerd?.imageId,
    id: container.id,
    engine,
    name,
    runtime,
    imageRef: annotations.get('io.kubernetes.cri-o.ImageRef'),
    nameInPod: annotations.get('io.kubernetes.cri.container-name'),
    created: (await startedAt(container, host)) ?? new Date(),
    volumes: volumesOf(container),
    spec: await readSpec(runtime === 'crun' ? join(stateDir, crunConfigFile) : specIn(bundle)),
  });
  if (engine === 'containerd')
    return { ...made, containerd: containerd?.image ? containerd : undefined };
  if (engine !== 'podman') return made;
  const config = await podmanConfig(container, name);
  if (config !== undefined) return { ...made, config };
  const warning =
    "The archive has no networks and ports of the container: podman's configuration of it cannot be read";
  return { ...made, warnings: [warning] };
}

/** What is known of a container that is gone. */
export interface Known {
  id: string;
  name: string;
  engine?: EngineName | undefined;
  runtime: string;
  image?: string | undefined;
  imageId?: string | undefined;
  imageRef?: string | undefined;
  /** As the CRI knows it. */
  nameInPod?: string | undefined;
  created: Date;
  volumes?: readonly NamedVolume[];
  /** The text of its specification. */
  spec: string;
}

/** Says what is known of a container in the form of an archive. */
export function makeMetadata(known: Known): Metadata {
  const {
    id,
    name,
    engine,
    runtime,
    image,
    imageId,
    imageRef = image,
    created,
    volumes = [],
  } = known;
  const config: ConfigDump = {
    id: hexId(id),
    name,
    ...(engine === undefined ? {} : { engine }),
    runtime,
    createdTime: created.toISOString(),
    checkpointedTime: new Date().toISOString(),
    ...(image === undefined ? {} : { rootfsImageName: image, rootfsImage: image }),
    ...(imageRef === undefined ? {} : { rootfsImageRef: imageRef }),
    ...(imageId === undefined ? {} : { rootfsImageID: imageId }),
    ...(volumes.length === 0
      ? {}
      : { namedVolumes: volumes.map(({ volumeName, dest }) => ({ volumeName, dest })) }),
  };
  const status: StatusDump = {
    id: config.id,
    metadata: { name: known.nameInPod ?? name },
    state: 1,
    created_at: created.getTime() * nanoseconds,
    started_at: created.getTime() * nanoseconds,
    image: { image: image ?? '' },
    image_ref: imageRef ?? '',
    labels: {},
    annotations: {},
  };
  return {
    config: JSON.stringify(config, null, 2),
    spec: known.spec,
    status: JSON.stringify(status, null, 2),
    name,
    image,
    imageId,
    runtime,
    containerd: undefined,
    warnings: [],
  };
}

/** podman gives every container an id of 64 digits, and takes no other. */
function hexId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id : createHash('sha256').update(id).digest('hex');
}

/** The volumes of podman that are mounted in a container, with the directories that have their content. */
export function volumesOf(container: ContainerState): (NamedVolume & { source: string })[] {
  if (engineOf(container) !== 'podman') return [];
  return container.mounts.flatMap(({ source, destination, type }) => {
    const volumeName = type === 'bind' ? volumePath.exec(source)?.[1] : undefined;
    return volumeName === undefined ? [] : [{ volumeName, dest: destination, source }];
  });
}

/** The specification that a bundle has. */
export function specIn(bundle: string): string {
  return join(bundle, 'config.json');
}

/**
 * Reads the specification by which a container was made. It is kept letter by letter: its limits are
 * numbers that JavaScript cannot hold.
 *
 * @throws CriuError `ERR_CONTAINER_CORRUPT` when there is none, `ERR_UNTRUSTED_PATH`.
 */
export async function readSpec(file: string): Promise<string> {
  const text = await readStateFile(file, "the container's specification");
  if (text !== undefined) return text;
  throw new CriuError(
    'ERR_CONTAINER_CORRUPT',
    `There is no ${file}, which says how the container was made and belongs into the archive`,
  );
}
