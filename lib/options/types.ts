// Made by `npm run generate` from lib/options/table.ts.
import type { Writable } from 'node:stream';
import type { Criu } from '../criu/criu.js';
import type { Hooks, RestoreHooks } from '../criu/hooks.js';
import type { PageServer } from './address.js';
import type { CgroupRoot } from './cgroup-root.js';
import type { DumpProgress } from './dump-progress.js';
import type { InheritedFd } from './inherited-fd.js';
import type { JoinedNamespace } from './joined-namespace.js';
import type { LimitedCgroup } from './limited-cgroup.js';
import type { CloneStdio } from './stdio.js';

/** Options of every call. */
export interface CallOptions {
  /**
   * CRIU to use.
   *
   * @defaultValue one that all calls share
   * @remarks libcriu
   */
  criu?: Criu | undefined;
  /**
   * Wait for a container, cgroup or directory that another operation has, instead of failing. As
   * long as `signal` and `timeoutMs` allow.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  wait?: boolean | undefined;
  /**
   * Gives the operation up when it is aborted; CRIU rolls back and the tasks run on.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  signal?: AbortSignal | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `restore`, `restoreContainer`, `startPageServer` and `startLazyPages`. */
export interface WorkPathOptions extends CallOptions {
  /**
   * Directory for the log and the statistics.
   *
   * @defaultValue `imagePath`
   * @remarks runc --work-path, CRIU --work-dir
   */
  workPath?: string | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `checkpointSelf`, `restore`, `startPageServer` and `startLazyPages`. */
export interface LogLevelOptions extends CallOptions {
  /**
   * Detail of CRIU's log: 0 nothing, 1 errors, 2 warnings, 3 information, 4 all. From 0 to 4.
   *
   * @defaultValue 4
   * @remarks CRIU --verbosity
   */
  logLevel?: number | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `checkpointSelf`, `restore` and `restoreContainer`. */
export interface SharedOptions extends CallOptions {
  /**
   * Save established TCP connections too, and bring them back.
   *
   * @defaultValue false
   * @remarks runc --tcp-established, CRIU --tcp-established
   */
  tcpEstablished?: boolean | undefined;
  /**
   * Allow unix sockets whose other end is outside.
   *
   * @defaultValue false
   * @remarks runc --ext-unix-sk, CRIU --ext-unix-sk
   */
  extUnixSk?: boolean | undefined;
  /**
   * Allow tasks whose session leader or terminal is outside, as a shell starts them.
   *
   * @defaultValue false
   * @remarks runc --shell-job, CRIU --shell-job
   */
  shellJob?: boolean | undefined;
  /**
   * Save and restore file locks; safe only if nobody outside holds them too.
   *
   * @defaultValue false
   * @remarks runc --file-locks, CRIU --file-locks
   */
  fileLocks?: boolean | undefined;
  /**
   * How cgroups are saved and restored.
   *
   * @defaultValue 'soft'; for dump and preDump and checkpointSelf and restore and restoreContainer CRIU's
   * @remarks runc --manage-cgroups-mode, CRIU --manage-cgroups
   */
  manageCgroupsMode?: 'soft' | 'full' | 'strict' | 'ignore' | undefined;
  /**
   * Time after which the operation is given up and the tasks run on. CRIU has it as its limit for
   * freezing too, in whole seconds rounded up. From 1 to 2147483647 milliseconds.
   *
   * @defaultValue none; CRIU's own limit for freezing is 10 s
   * @remarks CRIU --timeout
   */
  timeoutMs?: number | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `restore`, `restoreContainer` and `startPageServer`. */
export interface AutoDedupOptions extends WorkPathOptions {
  /**
   * Drop from the parent images the memory that these images have anew.
   *
   * @defaultValue false
   * @remarks runc --auto-dedup, CRIU --auto-dedup
   */
  autoDedup?: boolean | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `startPageServer` and `startLazyPages`. */
export interface TransferOptions extends WorkPathOptions, LogLevelOptions {
  /**
   * Send memory encrypted, between hosts that show each other certificates. Of a dump it needs
   * `pageServer`. The side that connects also checks the name in the certificate of the other.
   *
   * @defaultValue false
   * @remarks CRIU --tls
   */
  tls?: boolean | undefined;
  /**
   * File (PEM) of the authority that signed the other side's certificate.
   *
   * @defaultValue CRIU's, /etc/pki/CA/cacert.pem, and the system's
   * @remarks CRIU --tls-cacert
   */
  tlsCacert?: string | undefined;
  /**
   * File (PEM) of that authority's revoked certificates.
   *
   * @defaultValue CRIU's, /etc/pki/CA/cacrl.pem, if it is there
   * @remarks CRIU --tls-cacrl
   */
  tlsCacrl?: string | undefined;
  /**
   * File (PEM) of our own certificate.
   *
   * @defaultValue CRIU's, /etc/pki/criu/cert.pem
   * @remarks CRIU --tls-cert
   */
  tlsCert?: string | undefined;
  /**
   * File (PEM) of our certificate's private key.
   *
   * @defaultValue CRIU's, /etc/pki/criu/private/key.pem
   * @remarks CRIU --tls-key
   */
  tlsKey?: string | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `restore` and `restoreContainer`. */
export interface EmptyNsOptions extends SharedOptions, AutoDedupOptions {
  /**
   * Namespaces to restore without their content. For a container of runc, the network namespace is
   * always one.
   *
   * @defaultValue none
   * @remarks runc --empty-ns, CRIU --empty-ns
   */
  emptyNs?: readonly 'network'[] | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump`, `checkpointSelf` and `restore`. */
export interface RequestOptions extends LogLevelOptions, SharedOptions {
  /**
   * Resource outside of the tasks that the images only name. Types are `mnt`, `dev`, `file`, `tty`,
   * `unix`, `net` and `pid`.
   *
   * @defaultValue none
   * @remarks CRIU --external
   */
  external?: readonly string[] | undefined;
  /**
   * Save or restore established TCP connections as closed ones.
   *
   * @defaultValue false
   * @remarks CRIU --tcp-close
   */
  tcpClose?: boolean | undefined;
  /**
   * Cgroup below which cgroups are saved, for one controller or for all.
   *
   * @defaultValue none
   * @remarks CRIU --cgroup-root
   */
  cgRoots?: readonly CgroupRoot[] | undefined;
  /**
   * File of CRIU's options, which override all others.
   *
   * @defaultValue a container's own, else none
   * @remarks CRIU --config
   */
  configFile?: string | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump` and `startPageServer`. */
export interface WritingOptions extends AutoDedupOptions, TransferOptions {
  /**
   * Directory for the images, made (mode 0700) if it is missing. A directory that holds something
   * is refused unless `existing` says otherwise.
   *
   * @defaultValue './checkpoint'
   * @remarks runc --image-path, CRIU --images-dir
   */
  imagePath?: string | undefined;
  /**
   * Images of an earlier pre-dump, relative to `imagePath`; only what changed since is written.
   * Needs memory tracking in the kernel, and turns it on for what comes after.
   *
   * @defaultValue none
   * @remarks runc --parent-path, CRIU --prev-images-dir
   */
  parentPath?: string | undefined;
  /**
   * What becomes of an `imagePath` that holds something. `refuse` fails before anything is touched.
   * `replace` puts the new images in the place of the whole directory once they are complete.
   * `reuse` writes into it and keeps its other files, as runc does.
   *
   * @defaultValue 'refuse'
   * @remarks libcriu
   */
  existing?: 'refuse' | 'replace' | 'reuse' | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump` and `checkpointSelf`. */
export interface SavingOptions extends RequestOptions {
  /**
   * Leave out TCP connections that are not yet established, instead of failing.
   *
   * @defaultValue false
   * @remarks runc --tcp-skip-in-flight, CRIU --skip-in-flight
   */
  tcpSkipInFlight?: boolean | undefined;
  /**
   * Give open files whose name is gone a temporary name, if they have another link.
   *
   * @defaultValue false
   * @remarks runc --link-remap, CRIU --link-remap
   */
  linkRemap?: boolean | undefined;
  /**
   * Largest deleted but open file whose content goes into the images. From 0 to 4294967295 bytes.
   *
   * @defaultValue CRIU's, 1048576
   * @remarks CRIU --ghost-limit
   */
  ghostLimit?: number | undefined;
  /**
   * Look for the names of watched (inotify, fanotify) files by their inode.
   *
   * @defaultValue false
   * @remarks CRIU --force-irmap
   */
  forceIrmap?: boolean | undefined;
  /**
   * Directories where watched files are looked for first.
   *
   * @defaultValue none
   * @remarks CRIU --irmap-scan-path
   */
  irmapPaths?: readonly string[] | undefined;
  /**
   * How packets to the tasks are dropped meanwhile; skip when you do it yourself. `needed` is
   * nftables where CRIU and the kernel have it (not in our own network namespace), else iptables,
   * and nothing where it is known that no packet can be lost: the cgroup was frozen first, and
   * there is no socket of IP in the network namespace. It takes CRIU 3.19 or newer to lock nothing.
   *
   * @defaultValue needed
   * @remarks CRIU --network-lock
   */
  networkLock?: 'needed' | 'iptables' | 'nftables' | 'skip' | undefined;
  /**
   * Take any path to an open device whose own path is out of reach.
   *
   * @defaultValue false
   * @remarks CRIU --evasive-devices
   */
  evasiveDevices?: boolean | undefined;
  /**
   * Name of CRIU's log in `workPath`.
   *
   * @defaultValue 'dump.log'
   * @remarks CRIU --log-file
   */
  logFile?: string | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump` and `startLazyPages`. */
export interface TlsNoCnVerifyOptions extends TransferOptions {
  /**
   * Do not compare the name in the other side's certificate with the address. A lazy dump, which
   * listens, compares it with its own address.
   *
   * @defaultValue false
   * @remarks CRIU --tls-no-cn-verify
   */
  tlsNoCnVerify?: boolean | undefined;
}

/** Options of `checkpoint`, `dump`, `preDump` and `restore`. */
export interface TreeOptions extends EmptyNsOptions, RequestOptions {
  /**
   * Find external bind mounts without naming them.
   *
   * @defaultValue false
   * @remarks CRIU --external mnt[]
   */
  autoExtMnt?: boolean | undefined;
  /**
   * Directory with the mounted cgroup hierarchies, each under its controllers' names. The unified
   * hierarchy is looked for as `unified`. Saves what mounting them takes.
   *
   * @defaultValue for a container /sys/fs/cgroup, where that has all of them; else CRIU mounts them
   * @remarks CRIU --cgroup-yard
   */
  cgroupYard?: string | undefined;
  /**
   * Go on where a sysctl does not exist.
   *
   * @defaultValue false
   * @remarks CRIU --weak-sysctls
   */
  weakSysctls?: boolean | undefined;
  /**
   * Do not compare the permissions of files at restore.
   *
   * @defaultValue false
   * @remarks CRIU --skip-file-rwx-check
   */
  skipFileRwxCheck?: boolean | undefined;
}

/** Options of `checkpoint`, `dump` and `checkpointSelf`. */
export interface LeaveRunningOptions extends SavingOptions {
  /**
   * Let the tasks run on afterwards instead of ending them.
   *
   * @defaultValue false
   * @remarks runc --leave-running, CRIU --leave-running
   */
  leaveRunning?: boolean | undefined;
}

/** Options of `checkpoint`, `dump` and `preDump`. */
export interface DumpingOptions
  extends WritingOptions,
    SavingOptions,
    TlsNoCnVerifyOptions,
    TreeOptions {
  /**
   * Page server that takes the memory; with `lazyPages`, the IP address to serve it at. As in
   * `10.0.0.1:27` or `[::1]:27`, with a port from 1 to 65535.
   *
   * @defaultValue none
   * @remarks runc --page-server, CRIU --page-server --address --port
   */
  pageServer?: string | PageServer | undefined;
  /**
   * Allow external bind mounts that receive mounts from outside.
   *
   * @defaultValue false
   * @remarks CRIU --external mnt[]:m
   */
  extMasters?: boolean | undefined;
  /**
   * Allow external bind mounts that share mounts with the outside.
   *
   * @defaultValue false
   * @remarks CRIU --external mnt[]:s
   */
  extSharing?: boolean | undefined;
  /**
   * Have the kernel note which memory changes from now on.
   *
   * @defaultValue true with `parentPath`, in a pre-dump always
   * @remarks CRIU --track-mem
   */
  trackMem?: boolean | undefined;
  /**
   * Directory of the cgroup that holds exactly these tasks and is frozen meanwhile.
   *
   * @defaultValue a container's own
   * @remarks CRIU --freeze-cgroup
   */
  freezeCgroup?: string | undefined;
  /**
   * File system types unknown to CRIU that may be mounted anew at restore.
   *
   * @defaultValue none
   * @remarks CRIU --enable-fs
   */
  enableFs?: readonly string[] | undefined;
  /**
   * Mount points to leave out, as the tasks see them.
   *
   * @defaultValue none
   * @remarks CRIU --skip-mnt
   */
  skipMnt?: readonly string[] | undefined;
  /**
   * What stops the tasks: the freezer of their cgroup, or a signal to each. For a bare process,
   * `cgroup` needs `freezeCgroup`.
   *
   * @defaultValue cgroup where there is one
   * @remarks libcriu
   */
  freezer?: 'cgroup' | 'ptrace' | undefined;
  /**
   * Handlers that are called, and may veto, at CRIU's notifications.
   *
   * @defaultValue none
   * @remarks CRIU action scripts
   */
  hooks?: Hooks | undefined;
  /**
   * Function that is called ten times a second with how much has been written, until the end. Also
   * at each notification of CRIU. What it throws is a warning and does no harm to the dump.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  onProgress?: ((progress: DumpProgress) => unknown) | undefined;
}

/** Options of `dump`, `preDump` and `restore`. */
export interface RootOptions extends TreeOptions {
  /**
   * Root directory of the tasks' mount namespace, as the host sees it.
   *
   * @defaultValue none
   * @remarks CRIU --root
   */
  root?: string | undefined;
}

/** Options of `dump`, `checkpointSelf` and `restore`. */
export interface JournalOptions extends RequestOptions {
  /**
   * Standard output that goes to the journal of systemd: saved, and connected anew at restore. The
   * new connection has the name of the program and the unit that wrote to the journal before.
   *
   * @defaultValue true of a unit, else false; at a restore what the images say
   * @remarks libcriu
   */
  journal?: boolean | undefined;
}

/** Options of `checkpoint` and `dump`. */
export interface FullDumpOptions extends LeaveRunningOptions, DumpingOptions {
  /**
   * Keep memory out of the images and serve it at `pageServer` until the restored tasks have it.
   * The call ends when `criu lazy-pages` has fetched all pages. Needs `pageServer` and userfaultfd.
   *
   * @defaultValue false
   * @remarks runc --lazy-pages, CRIU --lazy-pages
   */
  lazyPages?: boolean | undefined;
  /**
   * Open descriptor that gets a zero byte once the lazy pages can be fetched. It must be writable,
   * needs `lazyPages`, and stays open here; a duplicate is written. From 0 to 2147483647.
   *
   * @defaultValue none
   * @remarks runc --status-fd, CRIU --status-fd
   */
  statusFd?: number | undefined;
  /**
   * Leave the tasks stopped afterwards, to go on at SIGCONT.
   *
   * @defaultValue false
   * @remarks CRIU --leave-stopped
   */
  leaveStopped?: boolean | undefined;
  /**
   * End tasks of which is known that CRIU cannot restore them, instead of refusing. Without effect
   * where the tasks are not ended. See docs/preflight.md.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  allowUnrestorable?: boolean | undefined;
  /**
   * What archives tmpfs mounts for CRIU: the system's tar and gzip, or we ourselves. The archives
   * are the same, but for how far they are compressed, and a restore reads both with the system's
   * tar. Ours takes an eighth of the time, in which the tasks stand still. What it is not made for
   * is left to the system's.
   *
   * @defaultValue native
   * @remarks libcriu
   */
  tar?: 'system' | 'native' | undefined;
  /**
   * When CRIU reads tracked connections and TCP sockets: if the network namespace has any, or
   * always. It reads a table of the whole host for each, twice, which takes 3 to 10 ms each time on
   * most hosts. The images are the same.
   *
   * @defaultValue present
   * @remarks libcriu
   */
  conntrack?: 'present' | 'always' | undefined;
  /**
   * What writes much memory into the images: a process beside CRIU at the same time, or CRIU alone.
   * The images are the same, and so are the errors. The process is there from 16 MiB on, if there
   * is more than one processor.
   *
   * @defaultValue parallel
   * @remarks libcriu
   */
  pageWriter?: 'parallel' | 'criu' | undefined;
  /**
   * Settings for options that are not given; docs/options.md tells what fast gives up. `fast` is
   * `networkLock: 'skip'`, `manageCgroupsMode: 'ignore'` and `logLevel: 2`.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  profile?: 'fast' | undefined;
}

/** Options of `checkpoint` and `preDump`. */
export interface PreDumpModeOptions extends DumpingOptions {
  /**
   * How a pre-dump reads memory: splice (by code put into the tasks) or read (from outside).
   *
   * @defaultValue CRIU's, splice
   * @remarks CRIU --pre-dump-mode
   */
  preDumpMode?: 'splice' | 'read' | undefined;
}

/** Options of `checkpoint` and `restoreContainer`. */
export interface StateRootOptions extends EmptyNsOptions {
  /**
   * Directory where the runtime keeps the state of its containers.
   *
   * @defaultValue runc's state root, then crun's
   * @remarks runc --root
   */
  stateRoot?: string | undefined;
}

/** Options of `restore` and `restoreContainer`. */
export interface RestoringOptions extends EmptyNsOptions {
  /**
   * Restore tasks without their memory, which `criu lazy-pages` brings when they need it. That runs
   * already, with workPath as its working directory: its socket is looked for there.
   *
   * @defaultValue false
   * @remarks runc --lazy-pages, CRIU --lazy-pages
   */
  lazyPages?: boolean | undefined;
  /**
   * Profile of the Linux security module to restore with.
   *
   * @defaultValue the images'
   * @remarks runc --lsm-profile, CRIU --lsm-profile
   */
  lsmProfile?: string | undefined;
  /**
   * SELinux context of the mounts to restore with.
   *
   * @defaultValue the images'
   * @remarks runc --lsm-mount-context, CRIU --lsm-mount-context
   */
  lsmMountContext?: string | undefined;
  /**
   * What extracts the archives of tmpfs mounts for CRIU: the system's tar and gzip, or we
   * ourselves. The files are the same. Ours takes a tenth of the time for what is small and of
   * usual kinds; all else is left to the system's.
   *
   * @defaultValue native
   * @remarks libcriu
   */
  tar?: 'system' | 'native' | undefined;
  /**
   * File that gets the pid of the first process.
   *
   * @defaultValue none
   * @remarks runc --pid-file, CRIU --pidfile
   */
  pidFile?: string | undefined;
}

/** Options of `checkpoint`. */
export interface CheckpointOptions extends FullDumpOptions, PreDumpModeOptions, StateRootOptions {
  /**
   * Save only the memory, and let the container run on. A later checkpoint with `parentPath` is
   * then shorter. Needs memory tracking.
   *
   * @defaultValue false
   * @remarks runc --pre-dump, CRIU pre-dump
   */
  preDump?: boolean | undefined;
  /**
   * Engine whose container is meant, where several have one of that name.
   *
   * @defaultValue all that are known
   * @remarks libcriu
   */
  engine?: 'docker' | 'podman' | 'containerd' | 'cri-o' | 'runc' | 'crun' | undefined;
  /**
   * Name of a checkpoint: the images are put where the engine restores it from. For docker any
   * name; for podman `checkpoint`, the only one that a container has.
   *
   * @defaultValue `imagePath`
   * @remarks docker checkpoint create, podman container checkpoint
   */
  inEngine?: string | undefined;
  /**
   * Archive that is written as well, with what the container has changed in its files. A path, or a
   * stream that is written to and ended. Without `imagePath` the images are in the archive alone,
   * and `imagePath` of the result is its path. See docs/archives.md.
   *
   * @defaultValue none
   * @remarks podman container checkpoint --export
   */
  export?: string | Writable | undefined;
  /**
   * Form of the archive: tar, an OCI image for podman and CRI-O in a tar, or one for containerd's
   * ctr.
   *
   * @defaultValue tar
   * @remarks podman container checkpoint --create-image
   */
  format?: 'tar' | 'oci-archive' | 'containerd' | undefined;
  /**
   * How the archive is compressed.
   *
   * @defaultValue what the name of the archive says, else zstd where Node.js has it, else gzip
   * @remarks podman container checkpoint --compress
   */
  compression?: 'zstd' | 'gzip' | 'none' | undefined;
  /**
   * Leave out of the archive what the container has changed in its files.
   *
   * @defaultValue false
   * @remarks podman container checkpoint --ignore-rootfs
   */
  ignoreRootfs?: boolean | undefined;
  /**
   * Leave out of the archive the volumes that podman has mounted in the container.
   *
   * @defaultValue false
   * @remarks podman container checkpoint --ignore-volumes
   */
  ignoreVolumes?: boolean | undefined;
}

/** Options of `dump`. */
export interface DumpOptions extends RootOptions, JournalOptions, FullDumpOptions {}

/** Options of `preDump`. */
export interface PreDumpOptions extends RootOptions, PreDumpModeOptions {}

/** Options of `checkpointSelf`. */
export interface CheckpointSelfOptions extends LeaveRunningOptions, JournalOptions {
  /**
   * Directory for the images, made (mode 0700) if it is missing. It must be empty, and stay where
   * it is: the images tell of it.
   *
   * @defaultValue what `libcriu run --snapshot` says, else ./checkpoint
   * @remarks CRIU --images-dir
   */
  imagePath?: string | undefined;
}

/** Options of `restore`. */
export interface RestoreOptions extends RootOptions, JournalOptions, RestoringOptions {
  /**
   * Name of CRIU's log in `workPath`.
   *
   * @defaultValue 'restore.log'
   * @remarks CRIU --log-file
   */
  logFile?: string | undefined;
  /**
   * Make the root task a child of this process, whose end `exited` tells. Otherwise it belongs to
   * the init process, as after `criu restore --restore-detached`.
   *
   * @defaultValue false
   * @remarks CRIU --restore-sibling
   */
  restoreSibling?: boolean | undefined;
  /**
   * New for a clone: the processes get a pid namespace of their own, whatever pids are in use.
   * Their mounts and their /proc are their own as well, and all of them end with the first one. See
   * docs/restore.md.
   *
   * @defaultValue that of this process, where the pids have to be free
   * @remarks libcriu
   */
  pidNamespace?: 'new' | undefined;
  /**
   * Network namespace of a clone: new, with nothing but lo, or the path of one that is there. As in
   * `/run/netns/web` or `/proc/4711/ns/net`. Needs `pidNamespace`.
   *
   * @defaultValue that of this process
   * @remarks libcriu
   */
  netNamespace?: string | undefined;
  /**
   * Host name that a clone sees. Needs `pidNamespace`.
   *
   * @defaultValue that of this process
   * @remarks libcriu
   */
  hostname?: string | undefined;
  /**
   * Standard streams of a clone, as for a child process. 'pipe', 'inherit' or 'ignore' for all
   * three, or an array with one of these, an open descriptor, or null for each. What the images
   * have in place of one is closed, in all processes. Needs `pidNamespace`.
   *
   * @defaultValue what the images have
   * @remarks node:child_process
   */
  stdio?: CloneStdio | undefined;
  /**
   * Cgroup for the processes of a clone, by its path in the hierarchies, with limits. As in `{
   * path: '/clones/1', memoryBytes: 2 ** 28, cpus: 0.5, pids: 100 }`. It is made if it is missing,
   * and removed at the end of the clone. Needs `pidNamespace`.
   *
   * @defaultValue that of this process
   * @remarks libcriu
   */
  cgroup?: string | LimitedCgroup | undefined;
  /**
   * Kill the processes of a clone when this process ends, however it ends. Needs `pidNamespace`.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  endsWithParent?: boolean | undefined;
  /**
   * Descriptors of this process that the tasks get in place of what the images name. As in `{ fd:
   * 5, resource: 'pipe:[4711]' }`; a file's resource is its path without the leading `/`. They stay
   * open here.
   *
   * @defaultValue none
   * @remarks CRIU --inherit-fd
   */
  inheritFd?: readonly InheritedFd[] | undefined;
  /**
   * Restore a snapshot although what it relies on has changed since. A process that has saved
   * itself relies on its programs and libraries, the kernel, the processor and CRIU. Where they are
   * others, it may crash when it comes to use them.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  allowStale?: boolean | undefined;
  /**
   * What the restored program is told: anything that can be cloned. It reaches the `data` of
   * `checkpointSelf()` and of the handlers of `afterRestore()`, through memory alone. For a process
   * that has saved itself.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  data?: unknown | undefined;
  /**
   * The environment of the restored program, in place of the one that it was saved with. It is what
   * `process.env` has then, on the thread that has called `checkpointSelf()`. For a process that
   * has saved itself.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * The arguments of the restored program, in place of those that it was saved with. They are what
   * `process.argv` has then behind the program and its script. For a process that has saved itself.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  argv?: readonly string[] | undefined;
  /**
   * Messages to and from the restored program. They go by `channel` in the result, and by `channel`
   * in that of `checkpointSelf()` in the program. For a process that has saved itself.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  channel?: boolean | undefined;
  /**
   * Namespaces to restore into, instead of those of this process. As in `{ type: 'net', path:
   * '/run/netns/web' }`.
   *
   * @defaultValue none
   * @remarks CRIU --join-ns
   */
  joinNs?: readonly JoinedNamespace[] | undefined;
  /**
   * Restore mounts in the way of CRIU before 3.17, as for images of that time.
   *
   * @defaultValue false
   * @remarks CRIU --mntns-compat-mode
   */
  mntnsCompatMode?: boolean | undefined;
  /**
   * Service that systemd is to start by this restore. The first process becomes the main process of
   * the service, in the cgroup and within the limits of that.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  unit?: string | undefined;
  /**
   * Handlers that are called, and may veto, at CRIU's notifications.
   *
   * @defaultValue none
   * @remarks CRIU action scripts
   */
  hooks?: RestoreHooks | undefined;
}

/** Options of `restoreContainer`. */
export interface RestoreContainerOptions extends StateRootOptions, RestoringOptions {
  /**
   * Directory of the images.
   *
   * @defaultValue './checkpoint'
   * @remarks runc --image-path
   */
  imagePath?: string | undefined;
  /**
   * Directory of the container's config.json; with `from` it is made, unless it has one.
   *
   * @defaultValue ., and with `from` /var/lib/libcriu/containers/ID
   * @remarks runc --bundle
   */
  bundle?: string | undefined;
  /**
   * Program that restores, looked for in PATH. Of the containers of crun it is `crun`.
   *
   * @defaultValue runc, or the one that `from` tells
   * @remarks libcriu
   */
  runtime?: string | undefined;
  /**
   * Checkpoint that an engine or `export` has made: an archive, an image or a directory. A bundle
   * is made of it, of the files of its image, and of what the container has changed.
   *
   * @defaultValue `imagePath`
   * @remarks podman container restore --import
   */
  from?: string | undefined;
  /**
   * Directory with the files of the container's image, which are copied to the bundle. What the
   * container has changed is taken from `from`.
   *
   * @defaultValue the image where an engine of this machine keeps it
   * @remarks libcriu
   */
  rootfs?: string | undefined;
  /**
   * Files and directories in place of those of the container's mounts.
   *
   * @defaultValue none
   * @remarks docker run --volume
   */
  volumes?: readonly string[] | undefined;
  /**
   * Namespaces in place of those that the container has joined. As in `{ type: 'net', path:
   * '/run/netns/web' }`. It is for `from`.
   *
   * @defaultValue none
   * @remarks CRIU --join-ns
   */
  joinNs?: readonly JoinedNamespace[] | undefined;
  /**
   * Files and directories that `from`, and each archive in it, may have. From 1 to
   * 9007199254740991.
   *
   * @defaultValue 1000000
   * @remarks libcriu
   */
  maxEntries?: number | undefined;
  /**
   * Bytes that what is in `from`, and in each archive in it, may have. From 1 to 9007199254740991
   * bytes.
   *
   * @defaultValue 1099511627776
   * @remarks libcriu
   */
  maxBytes?: number | undefined;
  /**
   * How many times as large as `from` what comes out of it may be, from 256 MiB on. From 1 to
   * 9007199254740991.
   *
   * @defaultValue 1000
   * @remarks libcriu
   */
  maxRatio?: number | undefined;
  /**
   * Unix socket that gets the master of the container's terminal.
   *
   * @defaultValue none
   * @remarks runc --console-socket
   */
  consoleSocket?: string | undefined;
  /**
   * Do not use pivot_root, for a root file system on a ramdisk.
   *
   * @defaultValue false
   * @remarks runc --no-pivot
   */
  noPivot?: boolean | undefined;
}

/** Options of `startPageServer`. */
export interface PageServerOptions extends WritingOptions {
  /**
   * IP address of this machine to listen on, and on no other. With `127.0.0.1` or `::1` only this
   * machine can connect.
   *
   * @remarks CRIU --address
   */
  address: string;
  /**
   * Port to listen on; 0 for one that is free, which is told. From 0 to 65535.
   *
   * @defaultValue 0
   * @remarks CRIU --port
   */
  port?: number | undefined;
  /**
   * Name of CRIU's log in `workPath`.
   *
   * @defaultValue 'page-server.log'
   * @remarks CRIU --log-file
   */
  logFile?: string | undefined;
}

/** Options of `startLazyPages`. */
export interface LazyPagesOptions extends TlsNoCnVerifyOptions {
  /**
   * Directory of the images that are restored.
   *
   * @defaultValue './checkpoint'
   * @remarks CRIU --images-dir
   */
  imagePath?: string | undefined;
  /**
   * IP address or name of the host where the lazy dump serves the pages.
   *
   * @remarks CRIU --address
   */
  address: string;
  /**
   * Port where the lazy dump serves the pages. From 1 to 65535.
   *
   * @remarks CRIU --port
   */
  port: number;
  /**
   * Name of CRIU's log in `workPath`.
   *
   * @defaultValue 'lazy-pages.log'
   * @remarks CRIU --log-file
   */
  logFile?: string | undefined;
}
