import { decodePids } from '../images/pstree.js';
import { type EngineName, engineNames } from '../options/engine-names.js';
import type { Compression } from './compression.js';
import { Told } from './json.js';
import { members as names } from './members.js';
import type { Scan } from './scan.js';

/** In which form a checkpoint is. */
export type CheckpointFormat =
  /** An archive of podman, CRI-O, containerd's CRI, kubelet or `exportCheckpoint`, or what was in one. */
  | 'podman'
  /** Such an archive as the layer of an image of the Open Container Initiative. */
  | 'image'
  /** An image with the parts of a checkpoint of containerd's `ctr`. */
  | 'containerd'
  /** The images alone, as docker and `checkpoint` leave them. */
  | 'images';

/** What a checkpoint says of itself. What it does not say is undefined. */
export interface CheckpointInfo {
  /** The absolute path of the file or directory. */
  readonly path: string;
  readonly format: CheckpointFormat;
  /** How the file is compressed; `'none'` for a directory. */
  readonly compression: Compression;
  /** Whose container it was. */
  readonly engine: EngineName | undefined;
  /** What its engine called it; in a pod, `NAMESPACE/POD/NAME`. */
  readonly name: string | undefined;
  readonly id: string | undefined;
  /** The image that it was made of. */
  readonly image: string | undefined;
  /** The program that ran it and restores it, such as `runc`. */
  readonly runtime: string | undefined;
  /** When the container was made. */
  readonly created: Date | undefined;
  /** When it was checkpointed. */
  readonly checkpointed: Date | undefined;
  /** How many processes it has. */
  readonly processes: number | undefined;
  /** The CRIU that made the images. Only libcriu tells that. */
  readonly criuVersion: string | undefined;
  /** Whether it has the specification of the container, of which a bundle can be made. */
  readonly hasSpec: boolean;
  /** Whether it has what the container had changed in its root file system. */
  readonly hasRootfsChanges: boolean;
  /** Volumes whose content it has. */
  readonly volumes: readonly string[];
  /** How many files and directories it has. */
  readonly entries: number;
  /** Bytes that they have when they are unpacked. */
  readonly bytes: number;
}

/** What is known of a checkpoint before its files are looked at, or beside them. */
export interface Surroundings
  extends Pick<CheckpointInfo, 'path' | 'format' | 'compression'>,
    Partial<Pick<CheckpointInfo, 'engine' | 'name' | 'id' | 'image' | 'created'>> {}

/** Puts together what the files of a checkpoint tell. */
export function infoOf(found: Scan, known: Surroundings): CheckpointInfo {
  const file = (name: string): Told => Told.parse(name, found.texts.get(name));
  const config = file(names.configDump);
  const spec = file(names.specDump);
  const status = file(names.statusDump);
  const saved = file(`${names.checkpoint}/libcriu-container.json`);
  const annotations = spec.get('annotations');
  const ofContainerd = known.format === 'containerd' ? idIn(spec) : undefined;
  const written = found.times.get(`${names.checkpoint}/inventory.img`);
  const images = [
    config.get('rootfsImageName'),
    config.get('rootfsImage'),
    status.get('image', 'image'),
  ];
  return {
    path: known.path,
    format: known.format,
    compression: known.compression,
    engine: known.engine ?? engineOf({ spec, config, saved }, known),
    // To containerd the id of a container is its name.
    name: podName(annotations) ?? config.get('name').text ?? known.name ?? ofContainerd,
    id: config.get('id').text ?? known.id ?? saved.get('id').text ?? ofContainerd,
    image: images.find(({ text }) => text !== undefined)?.text ?? known.image,
    runtime: config.get('runtime').text,
    created: config.get('createdTime').time ?? known.created,
    checkpointed:
      config.get('checkpointedTime').time ?? (written ? new Date(written * 1000) : undefined),
    processes: processesIn(found.texts.get(`${names.checkpoint}/pstree.img`)),
    criuVersion: file(`${names.checkpoint}/libcriu-criu.json`).get('criu').text,
    hasSpec: found.texts.has(names.specDump),
    hasRootfsChanges: [names.rootfsDiff, names.deletedFiles, 'rootfs-layer.tar'].some((name) =>
      found.sizes.has(name),
    ),
    volumes: [...found.sizes.keys()].flatMap(
      (name) => /^volumes\/([^/]+)\.tar$/.exec(name)?.[1] ?? [],
    ),
    entries: found.entries,
    bytes: found.bytes,
  };
}

/** In the directory that docker has for a container is its name, which is mounted into it. */
const ofDocker = /\/containers\/[0-9a-f]{64}\/hostname$/;

/** What tells whose container it was. */
interface Witnesses {
  readonly spec: Told;
  readonly config: Told;
  /** What `checkpoint` writes beside the images. */
  readonly saved: Told;
}

function engineOf({ spec, config, saved }: Witnesses, known: Surroundings): EngineName | undefined {
  const annotations = spec.get('annotations');
  const manager = annotations.get('io.container.manager').text;
  if (manager === 'libpod') return 'podman';
  if (manager === 'cri-o') return 'cri-o';
  const isContainerds = annotations.keys.some((key) => key.startsWith('io.kubernetes.cri.'));
  if (isContainerds || known.format === 'containerd') return 'containerd';
  const said = config.get('engine').text;
  const engine = engineNames.find((name) => name === said);
  if (engine !== undefined) return engine;
  const sources = spec.get('mounts').list.map((mount) => mount.get('source').text ?? '');
  if (sources.some((source) => ofDocker.test(source))) return 'docker';
  return engineByState(saved.get('stateDir').text ?? '');
}

/**
 * The engine by the directory of the container's state: docker has a namespace of its own in containerd.
 * Those of runc and crun may be podman's.
 */
function engineByState(directory: string): EngineName | undefined {
  const [, namespace] =
    /\/(?:runtime-[^/]+|containerd\/runc)\/([^/]+)\/[^/]+$/.exec(directory) ?? [];
  if (namespace === undefined) return undefined;
  return namespace === 'moby' ? 'docker' : 'containerd';
}

/** Where each engine of Kubernetes keeps the names of a container, its pod and that one's namespace. */
const podKeys = [
  [
    'io.kubernetes.cri.sandbox-namespace',
    'io.kubernetes.cri.sandbox-name',
    'io.kubernetes.cri.container-name',
  ],
  ['io.kubernetes.pod.namespace', 'io.kubernetes.pod.name', 'io.kubernetes.container.name'],
] as const;

function podName(annotations: Told): string | undefined {
  for (const keys of podKeys) {
    const parts = keys.map((key) => annotations.get(key).text);
    if (parts.every((part) => part !== undefined)) return parts.join('/');
  }
  return undefined;
}

/** containerd names a cgroup by the namespace and the id. */
function idIn(spec: Told): string | undefined {
  return /[^/:]+$/.exec(spec.get('linux', 'cgroupsPath').text ?? '')?.[0];
}

function processesIn(image: Buffer | undefined): number | undefined {
  try {
    return image === undefined ? undefined : decodePids(image).length;
  } catch {
    return undefined; // CRIU tells what is wrong with it.
  }
}
