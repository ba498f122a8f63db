import type { CriuFields } from './criu-fields.js';
import type { NativeFailure } from './failure.js';

export type { CriuFields };

/** A directory (0700) that is to be made in one that exists. */
export interface FreshDirectory {
  /** Absolute. */
  path: string;
  /** Written into it, 0600: [name, content]. */
  files: readonly (readonly [string, string])[];
  /** The same for what is written while CRIU works; one that cannot be written is left out. */
  notes: readonly (readonly [string, string])[];
}

/** A cgroup that is known to have the tasks in it, and nobody else. */
export interface NativeFreezer {
  /** Of its directory; duplicated. */
  fd: number;
  /** For messages. */
  path: string;
  version: 1 | 2;
  /** The line of `/proc/PID/cgroup` that a process in it has. */
  place: string;
}

declare const standby: unique symbol;

/**
 * What one owner keeps ready: spare workers of its own, and the guard, which all owners share. It is
 * closed when it is garbage.
 */
export interface NativeStandby {
  readonly [standby]: never;
}

/** What the addon takes for one request to CRIU. */
export interface NativeRequest {
  verb: 'check' | 'version' | 'features' | 'dump' | 'preDump' | 'restore' | 'dumpSelf';
  /** `libcriu.so.2`, or a path of it. */
  library: string;
  /** Absolute path of criu. */
  binary: string;
  /** Socket of a `criu service` that is used in its place. */
  service?: string;
  /** All that criu gets to see, as `NAME=value`. */
  environment: readonly string[];
  fields: CriuFields;
  /** Made for the images, in place of the field `images_dir_fd`; when it cannot be, CRIU is not asked. */
  images?: FreshDirectory;
  /** Duplicated; one NUL byte is written at `status-ready`. */
  statusFd?: number;
  /** Notifications that are put to `ask` of {@link NativeAddon.start} before CRIU is answered. */
  asked?: readonly string[];
  /** Notifications of which `tell` hears, without CRIU waiting. */
  told?: readonly string[];
  /** Text of a CRIU configuration file that overrides the fields; kept in memory only. */
  config?: Buffer;
  /** Made empty at `post-dump`. */
  postDumpFile?: string;
  /** The name of CRIU's log in its directory, for {@link NativeOutcome.log}. Only for `dump`. */
  log?: string;
  /** Frozen before the request and thawed after the answer. */
  freezer?: NativeFreezer;
  /**
   * Has CRIU lock no network in which there is no socket once the cgroup of `freezer` is frozen. The
   * dump fails where a task has one nevertheless when CRIU has stopped them all.
   */
  skipsNeedlessLock?: boolean;
  /** Only for `restore`: the tasks get a pid namespace of their own. */
  clone?: NativeClone;
  /** A criu in our session, with our standard input if that is a terminal: for a shell's job. */
  joinsSession?: boolean;
  /**
   * A descriptor of `duplicate`, which only criu has from its start on, and with it the lock of what is
   * open there. Only for `dumpSelf`.
   */
  handedOver?: number;
  /** CRIU need not wait for us at its notifications. Only for `dump`. */
  goesOn?: boolean;
  /**
   * Gives a spare worker, and is refilled when this is over. Without one a worker is started, and
   * none is left.
   */
  standby?: NativeStandby;
  /** No other request follows: `standby` is not refilled. */
  isLast?: boolean;
}

/** A pid namespace that is made for a restore. Its first process is a program of ours. */
export interface NativeClone {
  /** The pid that the root task has in there. */
  root: number;
  /** The pid before those that criu and what it starts get in there. */
  pidBefore: number;
  /** Of a namespace for it that is made as well. */
  hostname?: string;
  /** A network namespace is made as well. */
  hasNewNetwork?: boolean;
  /** A descriptor of the network namespace to be in; duplicated. */
  network?: number;
  /** Descriptors of the files `cgroup.procs` of cgroups to be in, at most eight; duplicated. */
  cgroups?: readonly number[];
  /** The processes are killed when this process ends. */
  endsWithParent?: boolean;
}

/** A notification of CRIU. */
export interface NativeEvent {
  name: string;
  /** Milliseconds since the start. */
  at: number;
  /** Of the root task; 0 where CRIU does not tell it. */
  pid: number;
  /** When CRIU was let go on, as `at`. With `goesOn` it has gone on before. */
  answered: number;
}

/**
 * When CRIU came to the parts of a dump, in milliseconds since it got the request, by its log's own clock,
 * which is not that of {@link NativeEvent}. What the log does not tell is undefined.
 */
export interface NativeDumpLog {
  /** The tasks are frozen, and the network is locked. */
  lock?: number;
  /** The first task is saved. */
  tasks?: number;
  /** The mounts are saved; undefined for tasks without a mount namespace of their own. */
  mounts?: number;
  /** Tasks and mounts are saved. */
  fileLocks?: number;
  /** The other namespaces are saved, from here on until `namespacesDone`. */
  namespaces?: number;
  namespacesDone?: number;
  /** The network is unlocked. */
  unlock?: number;
  /** The tasks go on, or end, until `done`. */
  resume?: number;
  done?: number;
  /** How much was spent on cgroups while tasks were saved, and afterwards. */
  taskCgroups: number;
  otherCgroups: number;
}

/** How it went, as plain data. */
export interface NativeOutcome {
  success: boolean;
  /** The images have their inventory, which CRIU writes last. Only of a dump that has succeeded. */
  isComplete: boolean;
  /** The directory that was made for the images has still the path that it was to have. */
  isInPlace: boolean;
  /** The files in the directory of a dump that has succeeded: their size, and how many there are. */
  imagesBytes: number;
  imagesFiles: number;
  cancelled: boolean;
  /** Descriptor of the directory that was to be made, for `closeDescriptor`; none when it could not be. */
  imagesFd?: number;
  /** criu did not let the tasks go, or did not end, and was killed. */
  killed: boolean;
  /** criu was killed, and has not ended by that either: the kernel holds it up. */
  left: boolean;
  /** CRIU was handed a cgroup that we had frozen. */
  froze: boolean;
  /** `directory`, `spawn`, `request`, `freeze`, or the last notification. */
  stage: string;
  /** The content of `stats-dump` or `stats-restore`; empty when there is none. */
  stats: Buffer;
  /** Whether CRIU answered at all. */
  replied: boolean;
  /** A self-dump that has come back to life. */
  restored: boolean;
  /** Of the root of a restored tree. */
  pid: number;
  /** CRIU's `cr_errno`. */
  errno: number;
  /** CRIU's `cr_errmsg`. */
  message: string;
  exitCode: number;
  exitSignal: number;
  /** criu's stdout and stderr. */
  printed: string;
  /** What went wrong after CRIU had succeeded; empty when nothing did. */
  warning: string;
  /** What failed on our side of the socket. */
  failure?: NativeFailure;
  version?: { major: number; minor: number; sublevel: number; gitId: string; name: string };
  features?: { memTrack: boolean; lazyPages: boolean; pidfdStore: boolean };
  /** CRIU's notifications in the order in which they came. */
  events: readonly NativeEvent[];
  /** What CRIU's log tells of a dump that has succeeded. */
  log?: NativeDumpLog;
  /** Milliseconds since the start; undefined where it did not come to that. */
  timeline: {
    workerReady?: number;
    freezing?: number;
    frozen?: number;
    sent?: number;
    replied?: number;
    thawed?: number;
  };
}

/** A request under way. */
export interface NativeOperation {
  id: number;
  /**
   * Settles in any case; it rejects only where there is no memory to tell how it went. What is false,
   * 0 or empty is left out.
   */
  done: Promise<Partial<NativeOutcome>>;
  /**
   * How the root task of a clone ends, once its whole pid namespace has ended; undefined where the
   * restore has failed. It keeps the event loop going.
   */
  ended?: Promise<NativeExit | undefined>;
}

/** How a process has ended; a signal of 0 is none. */
export interface NativeExit {
  code: number;
  signal: number;
}

/** Answers a question; `external` is more of what is outside, for `query-ext-files`. */
export type NativeAnswer = (number: number, goOn: boolean, external: readonly string[]) => void;

/** Puts a notification of CRIU to JavaScript; CRIU waits for the answer. `fd` is JavaScript's then. */
export type NativeAsk = (
  number: number,
  script: string,
  pid: number,
  fd: number | undefined,
) => void;

/** Hears of a notification of CRIU, which does not wait for it. */
type NativeTell = (script: string) => void;

/** What the addon takes to run a criu that serves: `page-server` or `lazy-pages`. */
export interface NativeServeRequest {
  /** Absolute path of criu. */
  binary: string;
  /** With `argv[0]`. */
  arguments: readonly string[];
  /** All that criu gets to see, as `NAME=value`. */
  environment: readonly string[];
  /** Duplicated; criu's descriptors from 4 on. */
  held: readonly number[];
  /**
   * With an IP address criu is started for the first connection to it that sends something, and has
   * that as its descriptor 3; without, at once, and writes to its descriptor 3 when it is ready.
   */
  address?: string;
  port?: number;
}

/** How that ended, as plain data. */
interface NativeServeOutcome {
  /** By `stop`. */
  stopped: boolean;
  /** Whether there was a criu at all. */
  started: boolean;
  exitCode: number;
  exitSignal: number;
  /** criu's stdout and stderr. */
  printed: string;
  failure?: NativeFailure;
}

/** A criu that serves. */
export interface NativeServing {
  /** Where it listens. */
  address?: string;
  port?: number;
  /** Settles in any case; it rejects only where there is no memory to tell how it went. */
  done: Promise<NativeServeOutcome>;
  /** Ends it; one that restored tasks have their memory from only by force. */
  stop: (force: boolean) => void;
}

/** What the kernel tells of a unix socket, as CRIU asks it. */
export interface NativeUnixSocket {
  inode: number;
  /** 1 for a stream, 2 for datagrams, 5 for a sequence of packets. */
  type: number;
  /** As of TCP: 1 connected, 7 not, 10 listening. */
  state: number;
  /** The inode of the other end; 0 where it has none. */
  peer: number;
  /** A path, or a name with NUL in front of it; empty without one. */
  name: string;
  /** The other ends of what nobody has accepted yet; 0 for one that is closed. */
  ends: readonly number[];
  /** Bytes. */
  unread: number;
  /** Bytes that the other end has not read. */
  unsent: number;
  /** Bit 0: it receives no more, bit 1: it sends no more. */
  shutdown: number;
}

/** Of what the netlink and packet sockets of a network namespace are members. */
export interface NativeMemberships {
  readonly netlink: readonly {
    inode: number;
    /** Its address; 0 where it has none. */
    port: number;
    /** A bit for each group, 32 in a number. */
    groups: readonly number[];
  }[];
  readonly packet: readonly {
    inode: number;
    /** How many times it has asked for each of its addresses. */
    counts: readonly number[];
  }[];
}

/**
 * The addon's exports; native/addon/addon.cc defines them. Each of them throws, and each of their
 * promises rejects with, a CriuError for whatever fails, a lack of memory or threads included.
 */
export interface NativeAddon {
  /** Loads libcriu and returns the file's path; throws the loader's words. */
  loadLibrary(path: string): string;
  /** CRIU's names of all request fields that the addon can set. */
  optionNames(): string[];
  /** Throws for a mistyped request, before anything is started. */
  start(request: NativeRequest, ask?: NativeAsk, tell?: NativeTell): NativeOperation;
  /** CRIU is refused its next notification and rolls back; nothing when the operation is over. */
  cancel(id: number): void;
  /** See {@link NativeAnswer}; late answers are ignored. */
  answer(id: number, ...answer: Parameters<NativeAnswer>): void;
  /**
   * Waits for a child of this process to end, and reaps it. Until then the event loop goes on, if it
   * is to be kept alive.
   */
  waitForChild(pid: number, keepsAlive: boolean): Promise<NativeExit>;
  /**
   * Runs a program without a fork of this process, with `/dev/null` as its standard streams and no other
   * descriptor. Throws when it cannot be started.
   *
   * @param args - With the name that the program is given as its own.
   * @param environment - `NAME=value` each.
   */
  runProgram(
    program: string,
    args: readonly string[],
    environment: readonly string[],
  ): Promise<NativeExit>;
  /**
   * Throws when it cannot listen. `ready` is called with the IP address of who has connected, or
   * without one when criu is ready.
   */
  serve(request: NativeServeRequest, ready: (peer: string) => void): NativeServing;
  /** For so many spare workers, of which none is started yet. */
  createStandby(spares: number): NativeStandby;
  /** Starts spare workers and the guard, in the background; failures show at the next request. */
  prepare(
    standby: NativeStandby,
    settings: Pick<NativeRequest, 'binary' | 'service' | 'environment'>,
  ): void;
  /**
   * Ends the spare workers, and the guard unless somebody else needs it. Resolves when they, and the
   * workers of requests that are over, have been reaped, after 5 s at the latest. Can be prepared
   * again.
   */
  close(standby: NativeStandby): Promise<void>;
  /**
   * The same for all owners of this process, of other threads too, but what they use up they start
   * again: for a dump of this process, of which it would be a part.
   */
  closeAll(): Promise<void>;
  /** Has OpenSSL take new entropy from the kernel; false where that cannot be. */
  reseed(): boolean;
  /** Whether the kernel has nf_tables in this network namespace. */
  hasNftables(): boolean;
  /** Where paths lead below a root; nothing for one that the kernel cannot tell. */
  resolveInRoot(root: string, paths: readonly string[]): Promise<(string | undefined)[]>;
  /** The modes of the files that paths lead to, or the number of the error, made negative. */
  fileModes(paths: readonly string[]): Promise<number[]>;
  /**
   * Makes it, and gives its descriptor; none, with nothing made, when it is there, its parent is not,
   * a link is on the way, or a file cannot be written.
   */
  makeDirectory(directory: FreshDirectory): Promise<number | undefined>;
  /**
   * Takes the advisory lock (`flock`) of an open file or directory, without waiting.
   *
   * @returns whether it was taken; false when another open file has it.
   */
  lock(fd: number, shared: boolean): boolean;
  /** Gives it back at once, whatever copies of the descriptor there are. */
  unlock(fd: number): void;
  /** A copy of a descriptor, which is closed by the addon when it is given to `start` as `handedOver`. */
  duplicate(fd: number): number;
  /** Makes a pipe, and gives the descriptors of its ends, which are lent: that to read from, and the other. */
  makePipe(nonBlocking: boolean): readonly [number, number];
  /** Connects to the stream socket of a path, without waiting, and gives a descriptor that is lent. */
  connectUnix(path: string): number;
  /** Keeps bytes in a file in memory, and gives its descriptor. */
  keepInMemory(name: string, content: Buffer): number;
  /** A stream socket of the unix family that is connected with nothing. */
  unconnectedSocket(): number;
  /** Two stream sockets that are connected with each other; both are lent. */
  socketPair(): [number, number];
  /** Gives away a descriptor that the addon has lent us: whoever has it closes it. */
  releaseDescriptor(fd: number): void;
  /**
   * Compares what two processes may share, by the kernel's number of it (`KCMP_VM` and so on).
   *
   * @returns 0 when they share it; otherwise a negative or positive number, as in a sort; undefined
   * where the kernel does not tell.
   */
  compareProcesses(what: number, first: number, second: number): number | undefined;
  /**
   * The seals (`F_SEAL_WRITE` and so on) of the memory that a link of `/proc` leads to; undefined for
   * a file that has none, or may not be opened.
   */
  fileSeals(link: string): number | undefined;
  /**
   * The kernel's name for the protocol of a socket that a process has open, such as `TCP` or
   * `AF_VSOCK`; undefined for what is none, or may not be looked at.
   */
  socketProtocol(pid: number, fd: number): string | undefined;
  /**
   * The unix sockets in the network namespace of a process; undefined where that may not be entered,
   * or the kernel does not answer.
   */
  unixSockets(pid: number): Promise<readonly NativeUnixSocket[] | undefined>;
  /**
   * Whether a socket that a process has open adds something to what is received, such as who has sent
   * it; undefined for what is none, or may not be looked at.
   */
  passesControl(pid: number, fd: number): boolean | undefined;
  /**
   * The memberships of the netlink and packet sockets in the network namespace of a process;
   * undefined where that may not be entered.
   */
  memberships(pid: number): Promise<NativeMemberships | undefined>;
  /** Closes a descriptor that the addon has lent us. */
  closeDescriptor(fd: number): void;
  /**
   * Kills a process if it is still the one that was started then, in clock ticks after boot. Throws
   * for one that may not be killed.
   *
   * @returns whether it was.
   */
  kill(pid: number, startTime: number): boolean;
  /** Swaps two paths in one step. */
  exchange(first: string, second: string): void;
  /** Gives a file an extended attribute, where its file system knows any. No link is followed. */
  setAttribute(path: Buffer, name: string, value: Buffer): void;
  /** Makes a named pipe. */
  makeFifo(path: Buffer, mode: number): void;
}
