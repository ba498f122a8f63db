import type { EngineName } from '../options/engine-names.js';

/** What `config.dump` says of a container. podman's own has more; the rest of it is kept as it is. */
export interface ConfigDump {
  readonly id: string;
  readonly name: string;
  /** The image that the container was made of, as in `docker.io/library/redis:7`. */
  readonly rootfsImageName?: string;
  /** The id of that image: 64 hexadecimal digits. podman has it. */
  readonly rootfsImageID?: string;
  /** `NAME@DIGEST`, which can be pulled. CRI-O and containerd's CRI have it. */
  readonly rootfsImageRef?: string;
  /** The name of the image that the CRI was given. */
  readonly rootfsImage?: string;
  /** Whose container it is. Only libcriu says so; engines pass over it. */
  readonly engine?: EngineName;
  /** The runtime: `runc`, `crun`, or `io.containerd.runc.v2` of containerd. */
  readonly runtime: string;
  /** When the container was made, in RFC 3339. */
  readonly createdTime: string;
  /** When it was checkpointed, in RFC 3339. */
  readonly checkpointedTime?: string;
  /** Volumes whose content is in `volumes/NAME.tar`. */
  readonly namedVolumes?: readonly NamedVolume[];
}

/** A volume as podman's configuration has it. */
export interface NamedVolume {
  readonly volumeName: string;
  /** Where the container has it mounted. */
  readonly dest: string;
  readonly options?: readonly string[];
}

/** `status.dump`: the message ContainerStatus of the CRI, as Go writes it. Times are nanoseconds. */
export interface StatusDump {
  readonly id: string;
  readonly metadata: { readonly name: string; readonly attempt?: number };
  /** 1: running. */
  readonly state: number;
  readonly created_at: number;
  readonly started_at: number;
  readonly image: { readonly image: string; readonly user_specified_image?: string };
  readonly image_ref: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly log_path?: string;
}
