/** The runtimes whose state is understood. */
type Runtime = 'runc' | 'crun';

/** A container's state in the words of the OCI runtimes. */
export type ContainerStatus = 'created' | 'running' | 'paused' | 'stopped';

/** A namespace of the container, by the kernel's name of its file in `/proc/PID/ns`. */
export interface ContainerNamespace {
  readonly type: string;
  /** Set when the container joined a namespace that exists outside it, else empty. */
  readonly path: string;
}

/** A mount of the container's configuration. */
interface ContainerMount {
  /** A path for a bind mount. */
  readonly source: string;
  readonly destination: string;
  /** `bind`, `cgroup` or a file system type. */
  readonly type: string;
}

/** A command of the container's configuration, run at an event of its life. */
export interface ContainerHook {
  readonly path: string;
  /** With `argv[0]`; empty means the path alone. */
  readonly args: readonly string[];
  /** `undefined`: the environment of the caller. */
  readonly env: readonly string[] | undefined;
  readonly timeoutMs: number | undefined;
}

/** What the runtime's state files say of a container. */
export interface ContainerState {
  readonly id: string;
  readonly runtime: Runtime;
  /** The directory that has one directory for each container. */
  readonly stateRoot: string;
  readonly stateDir: string;
  /** Whether to look into that directory waits for no server, so that it need not be waited for. */
  readonly isLocal?: boolean;
  /** Of the specification that the container was made by. */
  readonly ociVersion: string;
  /** 0 or less: there is no init process. */
  readonly initPid: number;
  /** In clock ticks after boot; 0: not recorded. */
  readonly initStartTime: number;
  /** Absolute. */
  readonly rootfs: string;
  /** As configured: crun tells its hooks so. */
  readonly configuredRootfs: string;
  readonly bundle: string;
  /** Controller to directory; the key of the unified hierarchy is empty. */
  readonly cgroupPaths: ReadonlyMap<string, string>;
  readonly namespaces: readonly ContainerNamespace[];
  readonly mounts: readonly ContainerMount[];
  readonly maskPaths: readonly string[];
  /** Paths of the device nodes made in the container. */
  readonly devices: readonly string[];
  readonly annotations: ReadonlyMap<string, string>;
  /** What the init process had as descriptors 0, 1 and 2 when it was started. */
  readonly externalDescriptors: readonly string[];
  /** The same as the text of `descriptors.json`, from which the runtime restores. */
  readonly descriptorsJson: string;
  readonly prestartHooks: readonly ContainerHook[];
  readonly poststopHooks: readonly ContainerHook[];
  /** The resctrl group that the runtime made for the container. */
  readonly intelRdtPath: string | undefined;
}

/** A container as found: its state files and what it was doing at that moment. */
export interface Container extends ContainerState {
  readonly status: ContainerStatus;
}

/** The container's own namespace of a type, one shared with others, or none at all. */
export function namespaceOf(
  container: ContainerState,
  type: string,
): ContainerNamespace | undefined {
  return container.namespaces.find((namespace) => namespace.type === type);
}
