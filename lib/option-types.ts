// Made by scripts/gen-options.mjs from lib/options/table.ts: `npm run generate`.
import type { Criu } from './criu.js';
import type { Hooks } from './hooks.js';
import type { CgroupRoot } from './options/cgroup-root.js';
import type { PageServer } from './options/page-server.js';

/** Options of every call. */
export interface SharedOptions {
  /**
   * Directory for the images, made (mode 0700) if it is missing. A directory that holds something
   * is refused unless `overwrite` says otherwise.
   *
   * @defaultValue './checkpoint'
   * @remarks runc --image-path, CRIU --images-dir
   */
  imagePath?: string | undefined;
  /**
   * Directory for the log and the statistics.
   *
   * @defaultValue imagePath
   * @remarks runc --work-path, CRIU --work-dir
   */
  workPath?: string | undefined;
  /**
   * Images of an earlier pre-dump, relative to imagePath; only what changed since is written. Needs
   * memory tracking in the kernel, and turns it on for what comes after.
   *
   * @defaultValue none
   * @remarks runc --parent-path, CRIU --prev-images-dir
   */
  parentPath?: string | undefined;
  /**
   * Save established TCP connections too.
   *
   * @defaultValue false
   * @remarks runc --tcp-established, CRIU --tcp-established
   */
  tcpEstablished?: boolean | undefined;
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
   * Page server that takes the memory; with lazyPages, the IP address to serve it at. As in
   * `10.0.0.1:27` or `[::1]:27`, with a port from 1 to 65535.
   *
   * @defaultValue none
   * @remarks runc --page-server, CRIU --page-server --address --port
   */
  pageServer?: string | PageServer | undefined;
  /**
   * Save file locks; safe only if nobody outside holds them too.
   *
   * @defaultValue false
   * @remarks runc --file-locks, CRIU --file-locks
   */
  fileLocks?: boolean | undefined;
  /**
   * How cgroups are saved and restored.
   *
   * @defaultValue 'soft'; for dump and preDump CRIU's
   * @remarks runc --manage-cgroups-mode, CRIU --manage-cgroups
   */
  manageCgroupsMode?: 'soft' | 'full' | 'strict' | 'ignore' | undefined;
  /**
   * Namespaces to restore without their content. For a container of runc, the network namespace is
   * always one.
   *
   * @defaultValue none
   * @remarks runc --empty-ns, CRIU --empty-ns
   */
  emptyNs?: readonly 'network'[] | undefined;
  /**
   * Drop from the parent images the memory that these images have anew.
   *
   * @defaultValue false
   * @remarks runc --auto-dedup, CRIU --auto-dedup
   */
  autoDedup?: boolean | undefined;
  /**
   * Resource outside of the tasks that the images only name. Types are `mnt`, `dev`, `file`, `tty`,
   * `unix`, `net` and `pid`.
   *
   * @defaultValue none
   * @remarks CRIU --external
   */
  external?: readonly string[] | undefined;
  /**
   * Find external bind mounts without naming them.
   *
   * @defaultValue false
   * @remarks CRIU --external mnt[]
   */
  autoExtMnt?: boolean | undefined;
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
   * Save established TCP connections as closed ones.
   *
   * @defaultValue false
   * @remarks CRIU --tcp-close
   */
  tcpClose?: boolean | undefined;
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
   * How packets to the tasks are dropped meanwhile; skip when you do it yourself.
   *
   * @defaultValue nftables where CRIU and the kernel have it (not in our own network namespace), else iptables
   * @remarks CRIU --network-lock
   */
  networkLock?: 'iptables' | 'nftables' | 'skip' | undefined;
  /**
   * Have the kernel note which memory changes from now on.
   *
   * @defaultValue true with parentPath, in a pre-dump always
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
   * Cgroup below which cgroups are saved, for one controller or for all.
   *
   * @defaultValue none
   * @remarks CRIU --cgroup-root
   */
  cgRoots?: readonly CgroupRoot[] | undefined;
  /**
   * Directory with the mounted cgroup hierarchies, each under its controllers' names. The unified
   * hierarchy is looked for as `unified`. Saves what mounting them takes.
   *
   * @defaultValue for a container /sys/fs/cgroup, where that has all of them; else CRIU mounts them
   * @remarks CRIU --cgroup-yard
   */
  cgroupYard?: string | undefined;
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
   * Go on where a sysctl does not exist.
   *
   * @defaultValue false
   * @remarks CRIU --weak-sysctls
   */
  weakSysctls?: boolean | undefined;
  /**
   * Take any path to an open device whose own path is out of reach.
   *
   * @defaultValue false
   * @remarks CRIU --evasive-devices
   */
  evasiveDevices?: boolean | undefined;
  /**
   * Do not compare the permissions of files at restore.
   *
   * @defaultValue false
   * @remarks CRIU --skip-file-rwx-check
   */
  skipFileRwxCheck?: boolean | undefined;
  /**
   * Time after which the operation is given up and the tasks run on. CRIU has it as its limit for
   * freezing too, in whole seconds rounded up. From 1 to 2147483647 milliseconds.
   *
   * @defaultValue none; CRIU's own limit for freezing is 10 s
   * @remarks CRIU --timeout
   */
  timeoutMs?: number | undefined;
  /**
   * File of CRIU's options, which override all others.
   *
   * @defaultValue a container's own, else none
   * @remarks CRIU --config
   */
  configFile?: string | undefined;
  /**
   * Detail of CRIU's log: 0 nothing, 1 errors, 2 warnings, 3 information, 4 all. From 0 to 4.
   *
   * @defaultValue 4
   * @remarks CRIU --verbosity
   */
  logLevel?: number | undefined;
  /**
   * Name of CRIU's log in workPath.
   *
   * @defaultValue 'dump.log'
   * @remarks CRIU --log-file
   */
  logFile?: string | undefined;
  /**
   * What stops the tasks: the freezer of their cgroup, or a signal to each. For a bare process,
   * `cgroup` needs `freezeCgroup`.
   *
   * @defaultValue cgroup where there is one
   * @remarks libcriu
   */
  freezer?: 'cgroup' | 'ptrace' | undefined;
  /**
   * Put the new images in the place of what imagePath holds. True replaces the directory as a whole
   * once the new images are complete; 'reuse' writes into it and keeps its other files, as runc
   * does.
   *
   * @defaultValue false
   * @remarks libcriu
   */
  overwrite?: boolean | 'reuse' | undefined;
  /**
   * Handlers that are called, and may veto, at CRIU's notifications.
   *
   * @defaultValue none
   * @remarks CRIU action scripts
   */
  hooks?: Hooks | undefined;
  /**
   * Gives the operation up when it is aborted; CRIU rolls back and the tasks run on.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  signal?: AbortSignal | undefined;
}

/** Options of `checkpoint`. */
export interface CheckpointOptions extends SharedOptions {
  /**
   * Let the tasks run on afterwards instead of ending them.
   *
   * @defaultValue false
   * @remarks runc --leave-running, CRIU --leave-running
   */
  leaveRunning?: boolean | undefined;
  /**
   * Keep memory out of the images and serve it at pageServer until the restored tasks have it. The
   * call ends when `criu lazy-pages` has fetched all pages. Needs `pageServer` and userfaultfd.
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
   * Save only the memory, and let the container run on. A later checkpoint with `parentPath` is
   * then shorter. Needs memory tracking.
   *
   * @defaultValue false
   * @remarks runc --pre-dump, CRIU pre-dump
   */
  preDump?: boolean | undefined;
  /**
   * How a pre-dump reads memory: splice (by code put into the tasks) or read (from outside).
   *
   * @defaultValue CRIU's, splice
   * @remarks CRIU --pre-dump-mode
   */
  preDumpMode?: 'splice' | 'read' | undefined;
  /**
   * Leave the tasks stopped afterwards, to go on at SIGCONT.
   *
   * @defaultValue false
   * @remarks CRIU --leave-stopped
   */
  leaveStopped?: boolean | undefined;
  /**
   * What archives tmpfs mounts for CRIU: the system's tar and gzip, or our own writer. A restore
   * reads both with the same tar. Ours takes a third of the time.
   *
   * @defaultValue system
   * @remarks libcriu
   */
  tar?: 'system' | 'native' | undefined;
  /**
   * Settings for options that are not given: fast gives up what the README tells. `fast` is
   * `networkLock: 'skip'`, `manageCgroupsMode: 'ignore'`, `logLevel: 2` and `tar: 'native'`.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  profile?: 'fast' | undefined;
  /**
   * Directory where the runtime keeps the state of its containers. Not CRIU's option of that name,
   * which follows from the container.
   *
   * @defaultValue runc's state root, then crun's
   * @remarks runc --root
   */
  root?: string | undefined;
  /**
   * CRIU to checkpoint with.
   *
   * @defaultValue the one that `dump` uses
   * @remarks libcriu
   */
  criu?: Criu | undefined;
}

/** Options of `dump`. */
export interface DumpOptions extends SharedOptions {
  /**
   * Let the tasks run on afterwards instead of ending them.
   *
   * @defaultValue false
   * @remarks runc --leave-running, CRIU --leave-running
   */
  leaveRunning?: boolean | undefined;
  /**
   * Keep memory out of the images and serve it at pageServer until the restored tasks have it. The
   * call ends when `criu lazy-pages` has fetched all pages. Needs `pageServer` and userfaultfd.
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
   * Root directory of the tasks' mount namespace, as the host sees it.
   *
   * @defaultValue none
   * @remarks CRIU --root
   */
  root?: string | undefined;
  /**
   * Leave the tasks stopped afterwards, to go on at SIGCONT.
   *
   * @defaultValue false
   * @remarks CRIU --leave-stopped
   */
  leaveStopped?: boolean | undefined;
  /**
   * What archives tmpfs mounts for CRIU: the system's tar and gzip, or our own writer. A restore
   * reads both with the same tar. Ours takes a third of the time.
   *
   * @defaultValue system
   * @remarks libcriu
   */
  tar?: 'system' | 'native' | undefined;
  /**
   * Settings for options that are not given: fast gives up what the README tells. `fast` is
   * `networkLock: 'skip'`, `manageCgroupsMode: 'ignore'`, `logLevel: 2` and `tar: 'native'`.
   *
   * @defaultValue none
   * @remarks libcriu
   */
  profile?: 'fast' | undefined;
}

/** Options of `preDump`. */
export interface PreDumpOptions extends SharedOptions {
  /**
   * Root directory of the tasks' mount namespace, as the host sees it.
   *
   * @defaultValue none
   * @remarks CRIU --root
   */
  root?: string | undefined;
  /**
   * How a pre-dump reads memory: splice (by code put into the tasks) or read (from outside).
   *
   * @defaultValue CRIU's, splice
   * @remarks CRIU --pre-dump-mode
   */
  preDumpMode?: 'splice' | 'read' | undefined;
}
