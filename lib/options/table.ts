// The one place where an option is named: types, validation, CLI flags, help, the request's fields
// and the README's table are made of it. scripts/gen-options.mjs compiles this file by itself, so it
// imports nothing.

/** A call that takes options. */
export type Call =
  | 'checkpoint'
  | 'dump'
  | 'preDump'
  | 'checkpointSelf'
  | 'restore'
  | 'restoreContainer'
  | 'startPageServer'
  | 'startLazyPages';

/** What an option's value is. */
export type OptionType =
  | 'boolean'
  | 'integer'
  | 'path'
  /** A path that stays relative. */
  | 'relativePath'
  /** A name without a directory. */
  | 'fileName'
  | 'string'
  | 'enum'
  | 'enum[]'
  | 'string[]'
  | 'path[]'
  /** `address:port`, or an object of both. */
  | 'address'
  /** An IP address, or also the name of a host. */
  | 'ip'
  | 'host'
  | 'function'
  /** Objects of `controller` and `path`. */
  | 'cgroupRoot[]'
  /** Objects of `type` and `path`. */
  | 'joinedNamespace[]'
  /** Objects of `resource` and `fd`. */
  | 'inheritedFd[]'
  | 'signal'
  | 'hooks'
  | 'restoreHooks'
  | 'criu';

/** One option. A name can have two rows when it means different things to different calls. */
export interface OptionRow {
  name: string;
  type: OptionType;
  calls: readonly Call[];
  /** The field of CRIU's request that it is; none when the core or a runtime acts on it. */
  field?: string;
  /** The flag of `libcriu checkpoint`, without dashes. */
  flag?: string;
  /** What stands for the value in help. */
  placeholder?: string;
  /** The words of an enum; of a boolean, what it may be besides. */
  values?: readonly string[];
  /** CRIU's numbers (of a list: bits) for `values`, in their order. */
  numbers?: readonly number[];
  min?: number;
  max?: number;
  unit?: string;
  /** How many of this unit are one of the field's, which is rounded up. */
  perFieldUnit?: number;
  /** What a string, or each of a list, must look like, and how to say so. */
  pattern?: { test: RegExp; expected: string };
  /** Filled in when it is not given. */
  default?: string | number;
  /** The calls that fill it in; all of them when absent. */
  defaultFor?: readonly Call[];
  /** What holds without it, where nothing is filled in and it is not simply off. */
  otherwise?: string;
  /** One short line, for help and README. */
  help: string;
  /** Further sentences, for the types. */
  details?: string;
  /** Where name and meaning come from: runc's flag, CRIU's flag or field. */
  source: string;
}

const all: readonly Call[] = ['checkpoint', 'dump', 'preDump'];
const dumping: readonly Call[] = ['checkpoint', 'dump'];
const alsoRestoring: readonly Call[] = [...all, 'restore'];
const withRuntime: readonly Call[] = [...alsoRestoring, 'restoreContainer'];
const every: readonly Call[] = [...withRuntime, 'checkpointSelf'];
const alsoSelf: readonly Call[] = [...all, 'checkpointSelf'];
const container: readonly Call[] = ['restoreContainer'];
const serving: readonly Call[] = ['startPageServer', 'startLazyPages'];
const uint32 = 0xffff_ffff;
/** The longest delay of a timer. */
const int32 = 0x7fff_ffff;

/** All options: first runc's, in the order of its help, then CRIU's, then our own. */
export const optionTable: readonly OptionRow[] = [
  {
    name: 'imagePath',
    type: 'path',
    calls: [...all, ...serving],
    flag: 'image-path',
    default: './checkpoint',
    help: 'directory for the images, made (mode 0700) if it is missing',
    details: 'A directory that holds something is refused unless `overwrite` says otherwise.',
    source: 'runc --image-path, CRIU --images-dir',
  },
  {
    name: 'workPath',
    type: 'path',
    calls: [...withRuntime, ...serving],
    flag: 'work-path',
    otherwise: 'imagePath',
    help: 'directory for the log and the statistics',
    source: 'runc --work-path, CRIU --work-dir',
  },
  {
    name: 'parentPath',
    type: 'relativePath',
    calls: [...all, 'startPageServer'],
    field: 'parent_img',
    flag: 'parent-path',
    help: 'images of an earlier pre-dump, relative to imagePath; only what changed since is written',
    details: 'Needs memory tracking in the kernel, and turns it on for what comes after.',
    source: 'runc --parent-path, CRIU --prev-images-dir',
  },
  {
    name: 'leaveRunning',
    type: 'boolean',
    calls: [...dumping, 'checkpointSelf'],
    field: 'leave_running',
    flag: 'leave-running',
    help: 'let the tasks run on afterwards instead of ending them',
    source: 'runc --leave-running, CRIU --leave-running',
  },
  {
    name: 'tcpEstablished',
    type: 'boolean',
    calls: every,
    field: 'tcp_established',
    flag: 'tcp-established',
    help: 'save established TCP connections too, and bring them back',
    source: 'runc --tcp-established, CRIU --tcp-established',
  },
  {
    name: 'tcpSkipInFlight',
    type: 'boolean',
    calls: alsoSelf,
    field: 'tcp_skip_in_flight',
    flag: 'tcp-skip-in-flight',
    help: 'leave out TCP connections that are not yet established, instead of failing',
    source: 'runc --tcp-skip-in-flight, CRIU --skip-in-flight',
  },
  {
    name: 'linkRemap',
    type: 'boolean',
    calls: alsoSelf,
    field: 'link_remap',
    flag: 'link-remap',
    help: 'give open files whose name is gone a temporary name, if they have another link',
    source: 'runc --link-remap, CRIU --link-remap',
  },
  {
    name: 'extUnixSk',
    type: 'boolean',
    calls: every,
    field: 'ext_unix_sk',
    flag: 'ext-unix-sk',
    help: 'allow unix sockets whose other end is outside',
    source: 'runc --ext-unix-sk, CRIU --ext-unix-sk',
  },
  {
    name: 'shellJob',
    type: 'boolean',
    calls: every,
    field: 'shell_job',
    flag: 'shell-job',
    help: 'allow tasks whose session leader or terminal is outside, as a shell starts them',
    source: 'runc --shell-job, CRIU --shell-job',
  },
  {
    name: 'lazyPages',
    type: 'boolean',
    calls: dumping,
    field: 'lazy_pages',
    flag: 'lazy-pages',
    help: 'keep memory out of the images and serve it at pageServer until the restored tasks have it',
    details:
      'The call ends when `criu lazy-pages` has fetched all pages. Needs `pageServer` and userfaultfd.',
    source: 'runc --lazy-pages, CRIU --lazy-pages',
  },
  {
    name: 'lazyPages',
    type: 'boolean',
    calls: ['restore', 'restoreContainer'],
    field: 'lazy_pages',
    help: 'restore tasks without their memory, which `criu lazy-pages` brings when they need it',
    details:
      'That runs already, with workPath as its working directory: its socket is looked for there.',
    source: 'runc --lazy-pages, CRIU --lazy-pages',
  },
  {
    name: 'statusFd',
    type: 'integer',
    calls: dumping,
    flag: 'status-fd',
    placeholder: 'FD',
    min: 0,
    max: int32,
    help: 'open descriptor that gets a zero byte once the lazy pages can be fetched',
    details: 'It must be writable, needs `lazyPages`, and stays open here; a duplicate is written.',
    source: 'runc --status-fd, CRIU --status-fd',
  },
  {
    name: 'pageServer',
    type: 'address',
    calls: all,
    field: 'ps',
    flag: 'page-server',
    help: 'page server that takes the memory; with lazyPages, the IP address to serve it at',
    details: 'As in `10.0.0.1:27` or `[::1]:27`, with a port from 1 to 65535.',
    source: 'runc --page-server, CRIU --page-server --address --port',
  },
  {
    name: 'onStatusReady',
    type: 'function',
    calls: dumping,
    help: 'called once the lazy pages can be fetched; the promise statusReady tells the same',
    details: 'Needs `lazyPages`. CRIU does not wait for it, unlike `hooks.statusReady`.',
    source: 'libcriu',
  },
  {
    name: 'address',
    type: 'ip',
    calls: ['startPageServer'],
    help: 'IP address of this machine to listen on, and on no other',
    details: 'It must be given: `127.0.0.1` or `::1` for this machine alone.',
    source: 'CRIU --address',
  },
  {
    name: 'port',
    type: 'integer',
    calls: ['startPageServer'],
    min: 0,
    max: 65535,
    default: 0,
    help: 'port to listen on; 0 for one that is free, which the result tells',
    source: 'CRIU --port',
  },
  {
    name: 'address',
    type: 'host',
    calls: ['startLazyPages'],
    help: 'IP address or name of the host where the lazy dump serves the pages',
    details: 'It must be given.',
    source: 'CRIU --address',
  },
  {
    name: 'port',
    type: 'integer',
    calls: ['startLazyPages'],
    min: 1,
    max: 65535,
    help: 'port where the lazy dump serves the pages',
    details: 'It must be given.',
    source: 'CRIU --port',
  },
  {
    name: 'tls',
    type: 'boolean',
    calls: [...all, ...serving],
    field: 'tls',
    flag: 'tls',
    help: 'send memory encrypted, between hosts that show each other certificates',
    details:
      'Of a dump it needs `pageServer`. The side that connects also checks the name in the certificate of the other.',
    source: 'CRIU --tls',
  },
  {
    name: 'tlsCacert',
    type: 'path',
    calls: [...all, ...serving],
    field: 'tls_cacert',
    flag: 'tls-cacert',
    otherwise: "CRIU's, /etc/pki/CA/cacert.pem, and the system's",
    help: "file (PEM) of the authority that signed the other side's certificate",
    source: 'CRIU --tls-cacert',
  },
  {
    name: 'tlsCacrl',
    type: 'path',
    calls: [...all, ...serving],
    field: 'tls_cacrl',
    flag: 'tls-cacrl',
    otherwise: "CRIU's, /etc/pki/CA/cacrl.pem, if it is there",
    help: "file (PEM) of that authority's revoked certificates",
    source: 'CRIU --tls-cacrl',
  },
  {
    name: 'tlsCert',
    type: 'path',
    calls: [...all, ...serving],
    field: 'tls_cert',
    flag: 'tls-cert',
    otherwise: "CRIU's, /etc/pki/criu/cert.pem",
    help: 'file (PEM) of our own certificate',
    source: 'CRIU --tls-cert',
  },
  {
    name: 'tlsKey',
    type: 'path',
    calls: [...all, ...serving],
    field: 'tls_key',
    flag: 'tls-key',
    otherwise: "CRIU's, /etc/pki/criu/private/key.pem",
    help: "file (PEM) of our certificate's private key",
    source: 'CRIU --tls-key',
  },
  {
    name: 'tlsNoCnVerify',
    type: 'boolean',
    calls: [...all, 'startLazyPages'],
    field: 'tls_no_cn_verify',
    flag: 'tls-no-cn-verify',
    help: "do not compare the name in the other side's certificate with the address",
    details: 'A lazy dump, which listens, compares it with its own address.',
    source: 'CRIU --tls-no-cn-verify',
  },
  {
    name: 'fileLocks',
    type: 'boolean',
    calls: every,
    field: 'file_locks',
    flag: 'file-locks',
    help: 'save and restore file locks; safe only if nobody outside holds them too',
    source: 'runc --file-locks, CRIU --file-locks',
  },
  {
    name: 'preDump',
    type: 'boolean',
    calls: ['checkpoint'],
    flag: 'pre-dump',
    help: 'save only the memory, and let the container run on',
    details: 'A later checkpoint with `parentPath` is then shorter. Needs memory tracking.',
    source: 'runc --pre-dump, CRIU pre-dump',
  },
  {
    name: 'manageCgroupsMode',
    type: 'enum',
    calls: every,
    field: 'manage_cgroups_mode',
    flag: 'manage-cgroups-mode',
    values: ['soft', 'full', 'strict', 'ignore'],
    numbers: [3, 4, 5, 0],
    default: 'soft',
    defaultFor: ['checkpoint'],
    otherwise: "CRIU's",
    help: 'how cgroups are saved and restored',
    source: 'runc --manage-cgroups-mode, CRIU --manage-cgroups',
  },
  {
    name: 'emptyNs',
    type: 'enum[]',
    calls: withRuntime,
    field: 'empty_ns',
    flag: 'empty-ns',
    values: ['network'],
    numbers: [0x4000_0000],
    help: 'namespaces to restore without their content',
    details: 'For a container of runc, the network namespace is always one.',
    source: 'runc --empty-ns, CRIU --empty-ns',
  },
  {
    name: 'autoDedup',
    type: 'boolean',
    calls: [...withRuntime, 'startPageServer'],
    field: 'auto_dedup',
    flag: 'auto-dedup',
    help: 'drop from the parent images the memory that these images have anew',
    source: 'runc --auto-dedup, CRIU --auto-dedup',
  },
  {
    name: 'root',
    type: 'path',
    calls: ['dump', 'preDump', 'restore'],
    field: 'root',
    help: "root directory of the tasks' mount namespace, as the host sees it",
    source: 'CRIU --root',
  },
  {
    name: 'external',
    type: 'string[]',
    calls: [...alsoRestoring, 'checkpointSelf'],
    field: 'external',
    flag: 'external',
    placeholder: 'TYPE[ID]:NAME',
    pattern: { test: /^[a-z]+\[.*\](?::.*)?$/s, expected: "a resource such as 'mnt[/data]:data'" },
    help: 'resource outside of the tasks that the images only name',
    details: 'Types are `mnt`, `dev`, `file`, `tty`, `unix`, `net` and `pid`.',
    source: 'CRIU --external',
  },
  {
    name: 'autoExtMnt',
    type: 'boolean',
    calls: alsoRestoring,
    field: 'auto_ext_mnt',
    flag: 'auto-ext-mnt',
    help: 'find external bind mounts without naming them',
    source: 'CRIU --external mnt[]',
  },
  {
    name: 'extMasters',
    type: 'boolean',
    calls: all,
    field: 'ext_masters',
    flag: 'enable-external-masters',
    help: 'allow external bind mounts that receive mounts from outside',
    source: 'CRIU --external mnt[]:m',
  },
  {
    name: 'extSharing',
    type: 'boolean',
    calls: all,
    field: 'ext_sharing',
    flag: 'enable-external-sharing',
    help: 'allow external bind mounts that share mounts with the outside',
    source: 'CRIU --external mnt[]:s',
  },
  {
    name: 'tcpClose',
    type: 'boolean',
    calls: [...alsoRestoring, 'checkpointSelf'],
    field: 'tcp_close',
    flag: 'tcp-close',
    help: 'save or restore established TCP connections as closed ones',
    source: 'CRIU --tcp-close',
  },
  {
    name: 'ghostLimit',
    type: 'integer',
    calls: alsoSelf,
    field: 'ghost_limit',
    flag: 'ghost-limit',
    placeholder: 'BYTES',
    min: 0,
    max: uint32,
    unit: 'bytes',
    otherwise: "CRIU's, 1048576",
    help: 'largest deleted but open file whose content goes into the images',
    source: 'CRIU --ghost-limit',
  },
  {
    name: 'forceIrmap',
    type: 'boolean',
    calls: alsoSelf,
    field: 'force_irmap',
    flag: 'force-irmap',
    help: 'look for the names of watched (inotify, fanotify) files by their inode',
    source: 'CRIU --force-irmap',
  },
  {
    name: 'irmapPaths',
    type: 'path[]',
    calls: alsoSelf,
    field: 'irmap_scan_paths',
    flag: 'irmap-scan-path',
    help: 'directories where watched files are looked for first',
    source: 'CRIU --irmap-scan-path',
  },
  {
    name: 'networkLock',
    type: 'enum',
    calls: alsoSelf,
    field: 'network_lock',
    flag: 'network-lock',
    values: ['iptables', 'nftables', 'skip'],
    numbers: [1, 2, 3],
    otherwise:
      'nftables where CRIU and the kernel have it (not in our own network namespace), else iptables',
    help: 'how packets to the tasks are dropped meanwhile; skip when you do it yourself',
    source: 'CRIU --network-lock',
  },
  {
    name: 'preDumpMode',
    type: 'enum',
    calls: ['checkpoint', 'preDump'],
    field: 'pre_dump_mode',
    flag: 'pre-dump-mode',
    values: ['splice', 'read'],
    numbers: [1, 2],
    otherwise: "CRIU's, splice",
    help: 'how a pre-dump reads memory: splice (by code put into the tasks) or read (from outside)',
    source: 'CRIU --pre-dump-mode',
  },
  {
    name: 'trackMem',
    type: 'boolean',
    calls: all,
    field: 'track_mem',
    flag: 'track-mem',
    otherwise: 'true with parentPath, in a pre-dump always',
    help: 'have the kernel note which memory changes from now on',
    source: 'CRIU --track-mem',
  },
  {
    name: 'freezeCgroup',
    type: 'path',
    calls: all,
    field: 'freeze_cgroup',
    flag: 'freeze-cgroup',
    otherwise: "a container's own",
    help: 'directory of the cgroup that holds exactly these tasks and is frozen meanwhile',
    source: 'CRIU --freeze-cgroup',
  },
  {
    name: 'cgRoots',
    type: 'cgroupRoot[]',
    calls: [...alsoRestoring, 'checkpointSelf'],
    field: 'cg_root',
    flag: 'cgroup-root',
    placeholder: '[CONTROLLER:]/PATH',
    help: 'cgroup below which cgroups are saved, for one controller or for all',
    source: 'CRIU --cgroup-root',
  },
  {
    name: 'cgroupYard',
    type: 'path',
    calls: alsoRestoring,
    field: 'cgroup_yard',
    flag: 'cgroup-yard',
    otherwise: 'for a container /sys/fs/cgroup, where that has all of them; else CRIU mounts them',
    help: "directory with the mounted cgroup hierarchies, each under its controllers' names",
    details: 'The unified hierarchy is looked for as `unified`. Saves what mounting them takes.',
    source: 'CRIU --cgroup-yard',
  },
  {
    name: 'enableFs',
    type: 'string[]',
    calls: all,
    field: 'enable_fs',
    flag: 'enable-fs',
    placeholder: 'FSTYPE',
    pattern: { test: /^[^\s,/]+$/, expected: "the name of a file system, or 'all'" },
    help: 'file system types unknown to CRIU that may be mounted anew at restore',
    source: 'CRIU --enable-fs',
  },
  {
    name: 'skipMnt',
    type: 'string[]',
    calls: all,
    field: 'skip_mnt',
    flag: 'skip-mnt',
    placeholder: 'PATH',
    help: 'mount points to leave out, as the tasks see them',
    source: 'CRIU --skip-mnt',
  },
  {
    name: 'weakSysctls',
    type: 'boolean',
    calls: alsoRestoring,
    field: 'weak_sysctls',
    flag: 'weak-sysctls',
    help: 'go on where a sysctl does not exist',
    source: 'CRIU --weak-sysctls',
  },
  {
    name: 'evasiveDevices',
    type: 'boolean',
    calls: alsoSelf,
    field: 'evasive_devices',
    flag: 'evasive-devices',
    help: 'take any path to an open device whose own path is out of reach',
    source: 'CRIU --evasive-devices',
  },
  {
    name: 'skipFileRwxCheck',
    type: 'boolean',
    calls: alsoRestoring,
    field: 'skip_file_rwx_check',
    flag: 'skip-file-rwx-check',
    help: 'do not compare the permissions of files at restore',
    source: 'CRIU --skip-file-rwx-check',
  },
  {
    name: 'leaveStopped',
    type: 'boolean',
    calls: dumping,
    field: 'leave_stopped',
    flag: 'leave-stopped',
    help: 'leave the tasks stopped afterwards, to go on at SIGCONT',
    source: 'CRIU --leave-stopped',
  },
  {
    name: 'timeoutMs',
    type: 'integer',
    calls: every,
    field: 'timeout',
    flag: 'timeout-ms',
    placeholder: 'MS',
    min: 1,
    max: int32,
    unit: 'milliseconds',
    perFieldUnit: 1000,
    otherwise: "none; CRIU's own limit for freezing is 10 s",
    help: 'time after which the operation is given up and the tasks run on',
    details: 'CRIU has it as its limit for freezing too, in whole seconds rounded up.',
    source: 'CRIU --timeout',
  },
  {
    name: 'configFile',
    type: 'path',
    calls: [...alsoRestoring, 'checkpointSelf'],
    field: 'config_file',
    flag: 'config-file',
    otherwise: "a container's own, else none",
    help: "file of CRIU's options, which override all others",
    source: 'CRIU --config',
  },
  {
    name: 'logLevel',
    type: 'integer',
    calls: [...alsoRestoring, 'checkpointSelf', ...serving],
    field: 'log_level',
    flag: 'criu-log-level',
    placeholder: 'LEVEL',
    min: 0,
    max: 4,
    default: 4,
    help: "detail of CRIU's log: 0 nothing, 1 errors, 2 warnings, 3 information, 4 all",
    source: 'CRIU --verbosity',
  },
  {
    name: 'logFile',
    type: 'fileName',
    calls: alsoSelf,
    field: 'log_file',
    flag: 'criu-log-file',
    default: 'dump.log',
    help: "name of CRIU's log in workPath",
    source: 'CRIU --log-file',
  },
  {
    name: 'logFile',
    type: 'fileName',
    calls: ['restore'],
    field: 'log_file',
    default: 'restore.log',
    help: "name of CRIU's log in workPath",
    source: 'CRIU --log-file',
  },
  {
    name: 'logFile',
    type: 'fileName',
    calls: ['startPageServer'],
    default: 'page-server.log',
    help: "name of CRIU's log in workPath",
    source: 'CRIU --log-file',
  },
  {
    name: 'logFile',
    type: 'fileName',
    calls: ['startLazyPages'],
    default: 'lazy-pages.log',
    help: "name of CRIU's log in workPath",
    source: 'CRIU --log-file',
  },
  {
    name: 'restoreSibling',
    type: 'boolean',
    calls: ['restore'],
    field: 'rst_sibling',
    help: 'make the root task a child of this process, whose end `exited` tells',
    details:
      'Otherwise it belongs to the init process, as after `criu restore --restore-detached`.',
    source: 'CRIU --restore-sibling',
  },
  {
    name: 'inheritFd',
    type: 'inheritedFd[]',
    calls: ['restore'],
    field: 'inherit_fd',
    help: 'descriptors of this process that the tasks get in place of what the images name',
    details:
      "As in `{ fd: 5, resource: 'pipe:[4711]' }`; a file's resource is its path without the leading `/`. They stay open here.",
    source: 'CRIU --inherit-fd',
  },
  {
    name: 'joinNs',
    type: 'joinedNamespace[]',
    calls: ['restore'],
    field: 'join_ns',
    help: 'namespaces to restore into, instead of those of this process',
    details: "As in `{ type: 'net', path: '/run/netns/web' }`.",
    source: 'CRIU --join-ns',
  },
  {
    name: 'lsmProfile',
    type: 'string',
    calls: ['restore', 'restoreContainer'],
    field: 'lsm_profile',
    pattern: { test: /^(?:apparmor|selinux):./s, expected: "a profile such as 'apparmor:name'" },
    otherwise: "the images'",
    help: 'profile of the Linux security module to restore with',
    source: 'runc --lsm-profile, CRIU --lsm-profile',
  },
  {
    name: 'lsmMountContext',
    type: 'string',
    calls: ['restore', 'restoreContainer'],
    field: 'lsm_mount_context',
    otherwise: "the images'",
    help: 'SELinux context of the mounts to restore with',
    source: 'runc --lsm-mount-context, CRIU --lsm-mount-context',
  },
  {
    name: 'mntnsCompatMode',
    type: 'boolean',
    calls: ['restore'],
    field: 'mntns_compat_mode',
    help: 'restore mounts in the way of CRIU before 3.17, as for images of that time',
    source: 'CRIU --mntns-compat-mode',
  },
  {
    name: 'freezer',
    type: 'enum',
    calls: all,
    flag: 'freezer',
    values: ['cgroup', 'ptrace'],
    otherwise: 'cgroup where there is one',
    help: 'what stops the tasks: the freezer of their cgroup, or a signal to each',
    details: 'For a bare process, `cgroup` needs `freezeCgroup`.',
    source: 'libcriu',
  },
  {
    name: 'overwrite',
    type: 'boolean',
    calls: [...all, 'startPageServer'],
    flag: 'overwrite',
    values: ['reuse'],
    help: 'put the new images in the place of what imagePath holds',
    details:
      "True replaces the directory as a whole once the new images are complete; 'reuse' writes into it and keeps its other files, as runc does.",
    source: 'libcriu',
  },
  {
    name: 'tar',
    type: 'enum',
    calls: dumping,
    flag: 'tar',
    values: ['system', 'native'],
    otherwise: 'system',
    help: "what archives tmpfs mounts for CRIU: the system's tar and gzip, or our own writer",
    details: 'A restore reads both with the same tar. Ours takes a third of the time.',
    source: 'libcriu',
  },
  {
    name: 'conntrack',
    type: 'enum',
    calls: dumping,
    flag: 'conntrack',
    values: ['present', 'always'],
    otherwise: 'present',
    help: 'when CRIU reads the tracked connections: when the network namespace has any, or always',
    details:
      'It reads the table of the whole host, twice, which takes 4 to 10 ms each time on most hosts. The images are the same.',
    source: 'libcriu',
  },
  {
    name: 'profile',
    type: 'enum',
    calls: dumping,
    flag: 'profile',
    values: ['fast'],
    otherwise: 'none',
    help: 'settings for options that are not given: fast gives up what the README tells',
    details:
      "`fast` is `networkLock: 'skip'`, `manageCgroupsMode: 'ignore'`, `logLevel: 2` and `tar: 'native'`.",
    source: 'libcriu',
  },
  {
    name: 'imagePath',
    type: 'path',
    calls: ['checkpointSelf'],
    otherwise: 'what `libcriu run --snapshot` says, else ./checkpoint',
    help: 'directory for the images, made (mode 0700) if it is missing',
    details: 'It must be empty, and stay where it is: the images tell of it.',
    source: 'CRIU --images-dir',
  },
  {
    name: 'imagePath',
    type: 'path',
    calls: container,
    default: './checkpoint',
    help: 'directory of the images',
    source: 'runc --image-path',
  },
  {
    name: 'bundle',
    type: 'path',
    calls: container,
    default: '.',
    help: "directory of the container's config.json",
    source: 'runc --bundle',
  },
  {
    name: 'runtime',
    type: 'string',
    calls: container,
    default: 'runc',
    help: 'program that restores, looked for in PATH',
    details: 'Of the containers of crun it is `crun`.',
    source: 'libcriu',
  },
  {
    name: 'pidFile',
    type: 'path',
    calls: container,
    help: "file that gets the pid of the container's first process",
    source: 'runc --pid-file',
  },
  {
    name: 'consoleSocket',
    type: 'path',
    calls: container,
    help: "unix socket that gets the master of the container's terminal",
    source: 'runc --console-socket',
  },
  {
    name: 'noPivot',
    type: 'boolean',
    calls: container,
    help: 'do not use pivot_root, for a root file system on a ramdisk',
    source: 'runc --no-pivot',
  },
  {
    name: 'root',
    type: 'path',
    calls: ['checkpoint', 'restoreContainer'],
    otherwise: "runc's state root, then crun's",
    help: 'directory where the runtime keeps the state of its containers',
    details: "Not CRIU's option of that name, which follows from the container.",
    source: 'runc --root',
  },
  {
    name: 'criu',
    type: 'criu',
    calls: ['checkpoint', 'restoreContainer', 'checkpointSelf', ...serving],
    otherwise: 'the one that `dump` uses',
    help: 'CRIU to use',
    source: 'libcriu',
  },
  {
    name: 'hooks',
    type: 'hooks',
    calls: all,
    help: "handlers that are called, and may veto, at CRIU's notifications",
    source: 'CRIU action scripts',
  },
  {
    name: 'hooks',
    type: 'restoreHooks',
    calls: ['restore'],
    help: "handlers that are called, and may veto, at CRIU's notifications",
    source: 'CRIU action scripts',
  },
  {
    name: 'signal',
    type: 'signal',
    calls: [...every, ...serving],
    help: 'gives the operation up when it is aborted; CRIU rolls back and the tasks run on',
    source: 'libcriu',
  },
];

/** What a profile fills in for options that are not given, before their defaults. */
export const profiles: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  fast: { networkLock: 'skip', manageCgroupsMode: 'ignore', logLevel: 2, tar: 'native' },
};

const rows: { [call in Call]?: readonly OptionRow[] } = {};

/** The rows that a call takes. */
export function optionsOf(call: Call): readonly OptionRow[] {
  rows[call] ??= optionTable.filter(({ calls }) => calls.includes(call));
  return rows[call];
}

/** What a call fills in for an option that is not given. */
export function defaultOf(row: OptionRow, call: Call): string | number | undefined {
  return (row.defaultFor ?? row.calls).includes(call) ? row.default : undefined;
}

const defaults: { [call in Call]?: Readonly<Record<string, string | number>> } = {};

/** All that a call fills in, by name. */
export function defaultsOf(call: Call): Readonly<Record<string, string | number>> {
  defaults[call] ??= Object.fromEntries(
    optionsOf(call).flatMap((row) => {
      const value = defaultOf(row, call);
      return value === undefined ? [] : [[row.name, value]];
    }),
  );
  return defaults[call];
}
