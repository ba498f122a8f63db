/**
 * The members of an archive of a checkpoint, as podman, CRI-O, containerd's CRI and checkpointctl know
 * them. Their names begin with no `./`: containerd compares them with these.
 */
export const members = {
  /** How the engine knew the container: {@link ConfigDump}. */
  configDump: 'config.dump',
  /** The container's specification for its runtime, a `config.json`. */
  specDump: 'spec.dump',
  /** What networks podman had given it; `null` where there was none. */
  networkStatus: 'network.status',
  /** How the CRI knew it: {@link StatusDump}. */
  statusDump: 'status.dump',
  /** The images directory. */
  checkpoint: 'checkpoint',
  /** CRIU's figures of the dump. */
  statsDump: 'stats-dump',
  /** The files that the container has made or changed. */
  rootfsDiff: 'rootfs-diff.tar',
  /** The files of its image that it has removed: an array of absolute paths. */
  deletedFiles: 'deleted.files',
  /** The content of `/dev/shm`, where that is a mount of the engine's. */
  devShm: 'devshm-checkpoint.tar',
  /** An archive, `NAME.tar`, of each named volume. */
  volumes: 'volumes',
} as const;

/** Members that other writers add, and that we only read past. */
export const foreignMembers: readonly string[] = [
  'artifacts',
  'bind.mounts',
  'container.log',
  'ctr.log',
  'dump.log',
  'io.kubernetes.cri-o.LogPath',
  'pod.dump',
  'pod.options',
  'pre-checkpoint',
  'status',
];

/** In the layer of an image it stands before the name of what is removed. */
export const whiteout = '.wh.';
