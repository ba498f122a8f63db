import type { CheckpointInfo } from '../archive/info.js';
import type { DumpStats } from '../images/stats.js';

/** What a checkpoint holds. */
export interface CheckpointReport extends Omit<CheckpointInfo, 'processes'> {
  /** A `'pre-dump'` has memory alone: which processes there are, the dump tells that follows it. */
  readonly kind: 'container' | 'process' | 'pre-dump';
  /** The first one is the root of the tree. */
  readonly processes: readonly ProcessReport[];
  readonly sockets: readonly SocketReport[];
  readonly memory: MemoryReport;
  readonly mounts: readonly MountReport[];
  readonly namespaces: readonly NamespaceReport[];
  /** What CRIU measured while it dumped; undefined where the images do not tell. */
  readonly times: DumpStats | undefined;
  /** The earlier pre-dumps that it needs, the newest first. */
  readonly parents: readonly ParentReport[];
}

/** A process of a checkpoint. */
export interface ProcessReport {
  /** As the process sees it. */
  readonly pid: number;
  /** 0 for the root of the tree. */
  readonly parentPid: number;
  readonly processGroup: number;
  readonly session: number;
  /** The name that the kernel has for it, of at most 15 bytes. */
  readonly name: string;
  readonly state: 'alive' | 'zombie' | 'stopped' | 'unknown';
  /** Its arguments; undefined where its memory is not in the images. */
  readonly commandLine: readonly string[] | undefined;
  readonly executable: string | undefined;
  readonly workingDirectory: string | undefined;
  /** The directory that is `/` to it. */
  readonly root: string | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** The ids of its threads. */
  readonly threads: readonly number[];
  readonly descriptors: readonly DescriptorReport[];
  /** Its memory, mappings of one kind and one file together, the largest first. */
  readonly mappings: readonly MappingReport[];
}

/** A descriptor of a process. */
export interface DescriptorReport {
  readonly fd: number;
  /** The kind of file, by CRIU's name: `REG`, `PIPE`, `INETSK`. */
  readonly type: string;
  /** CRIU's number of the open file, which descriptors share that were inherited or passed on. */
  readonly file: number;
  /** What it leads to, in words. */
  readonly description: string;
  readonly isCloseOnExec: boolean;
}

/** A kind of memory. */
export type MappingKind =
  | 'anonymous'
  | 'heap'
  | 'stack'
  /** A private mapping of a file. Only the pages that were written are saved. */
  | 'file'
  /** A shared mapping of a file, which has the content. */
  | 'shared-file'
  /** Memory that processes share. It is saved once, in {@link MemoryReport.shared}. */
  | 'shared'
  /** A segment of System V. */
  | 'sysv'
  | 'memfd'
  | 'aio'
  | 'socket'
  /** What the kernel maps into every process. */
  | 'kernel';

/** How much memory there is, in bytes. */
export interface MemorySizes {
  /** What was mapped. Of most of it nothing need be saved. */
  readonly mapped: number;
  /** What these images have. */
  readonly saved: number;
  /** What the images of an earlier pre-dump have. */
  readonly inherited: number;
  /** What a lazy dump has left with the process. */
  readonly elsewhere: number;
}

/** Memory of one kind. */
export interface MappingReport extends MemorySizes {
  readonly kind: MappingKind;
  /** The file that is mapped, if one is. */
  readonly file: string | undefined;
}

/** The memory of all processes together. */
export interface MemoryReport extends MemorySizes {
  /** By kind, as far as there is some. */
  readonly kinds: readonly (MemorySizes & { readonly kind: MappingKind })[];
  /** The segments that are shared between processes, each of which is saved once. */
  readonly shared: readonly (MemorySizes & { readonly id: number })[];
}

/** A socket. */
export interface SocketReport {
  /** `tcp`, `udp`, `unix`, `netlink`, `packet` and so on. */
  readonly protocol: string;
  /** `STREAM`, `DGRAM`, `RAW`, `SEQPACKET`; undefined where CRIU does not save it. */
  readonly type: string | undefined;
  /** `ESTABLISHED`, `LISTEN` and so on. */
  readonly state: string | undefined;
  readonly local: string | undefined;
  readonly remote: string | undefined;
  /** Bytes that were received and not read. */
  readonly unread: number;
  /** Bytes that were written and not acknowledged. */
  readonly unsent: number;
  /** Who has it open: pids with their descriptors. */
  readonly holders: readonly { readonly pid: number; readonly fd: number }[];
}

/** A mount of a mount namespace that was saved. */
export interface MountReport {
  readonly id: number;
  readonly parentId: number;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  readonly options: string;
  /** What stands for it where it is from outside; undefined for others. */
  readonly external: string | undefined;
  /** The namespace that it is in. */
  readonly namespace: number;
}

/** A namespace that processes are in. */
export interface NamespaceReport {
  readonly kind: 'cgroup' | 'ipc' | 'mnt' | 'net' | 'pid' | 'time' | 'user' | 'uts';
  /** CRIU's number of it. */
  readonly id: number;
  /** Whether it is the one that CRIU was in, of which nothing is saved. */
  readonly isOutside: boolean;
  readonly pids: readonly number[];
  /** The name of the host for `uts`, the names of the devices for `net`, the number of mounts for `mnt`. */
  readonly detail: string | undefined;
}

/** An earlier pre-dump that a checkpoint needs. */
export interface ParentReport {
  readonly path: string;
  /** Bytes of memory in its images. */
  readonly saved: number;
  readonly times: DumpStats | undefined;
}
