/** What follows the message of an entry. */
export type Extra =
  /** Bytes, as many as the named fields of the message add up to. */
  | { readonly kind: 'bytes'; readonly lengths: readonly string[] }
  /** The two queues of a TCP connection. */
  | { readonly kind: 'queues' }
  /** A shared memory segment, where it is not in a pagemap. */
  | { readonly kind: 'segment' }
  /** The values of a set of semaphores. */
  | { readonly kind: 'semaphores' }
  /** The messages of a message queue. */
  | { readonly kind: 'messages' };

/** A kind of image. */
export interface Kind {
  /** The number that its files begin with. */
  readonly magic: number;
  /** The message that each of its entries is. */
  readonly message: string;
  /** The message that its first entry is, where that is another one. */
  readonly first?: string;
  readonly extra?: Extra;
  /** Whether it is a file, that of a removed one, of which its first entry tells. */
  readonly isGhost?: boolean;
}

const bytes = (...lengths: readonly string[]): Extra => ({ kind: 'bytes', lengths });

/** The numbers before that of the kind: of images, and of what CRIU tells of its work. */
export const commonMagic = 0x54564319;
export const serviceMagic = 0x55105940;

/** All kinds of images with messages, by the names that CRIU and crit have for them. */
export const kinds: Readonly<Record<string, Kind>> = {
  INVENTORY: { magic: 0x58313116, message: 'inventory_entry' },
  PSTREE: { magic: 0x50273030, message: 'pstree_entry' },
  FDINFO: { magic: 0x56213732, message: 'fdinfo_entry' },
  PAGEMAP: { magic: 0x56084025, message: 'pagemap_entry', first: 'pagemap_head' },
  CORE: { magic: 0x55053847, message: 'core_entry' },
  IDS: { magic: 0x54432030, message: 'task_kobj_ids_entry' },
  VMAS: { magic: 0x54123737, message: 'vma_entry' },
  PIPES: { magic: 0x56513555, message: 'pipe_entry' },
  PIPES_DATA: { magic: 0x56453709, message: 'pipe_data_entry', extra: bytes('bytes') },
  FIFO: { magic: 0x58364939, message: 'fifo_entry' },
  FIFO_DATA: { magic: 0x59333054, message: 'pipe_data_entry', extra: bytes('bytes') },
  SIGACT: { magic: 0x55344201, message: 'sa_entry' },
  UNIXSK: { magic: 0x54373943, message: 'unix_sk_entry' },
  INETSK: { magic: 0x56443851, message: 'inet_sk_entry' },
  PACKETSK: { magic: 0x60454618, message: 'packet_sock_entry' },
  ITIMERS: { magic: 0x57464056, message: 'itimer_entry' },
  POSIX_TIMERS: { magic: 0x52603957, message: 'posix_timer_entry' },
  SK_QUEUES: { magic: 0x56264026, message: 'sk_packet_entry', extra: bytes('length') },
  UTSNS: { magic: 0x54473203, message: 'utsns_entry' },
  CREDS: { magic: 0x54023547, message: 'creds_entry' },
  IPC_VAR: { magic: 0x53115007, message: 'ipc_var_entry' },
  IPCNS_SHM: { magic: 0x46283044, message: 'ipc_shm_entry', extra: { kind: 'segment' } },
  IPCNS_MSG: { magic: 0x55453737, message: 'ipc_msg_entry', extra: { kind: 'messages' } },
  IPCNS_SEM: { magic: 0x59573019, message: 'ipc_sem_entry', extra: { kind: 'semaphores' } },
  REG_FILES: { magic: 0x50363636, message: 'reg_file_entry' },
  EXT_FILES: { magic: 0x59255641, message: 'ext_file_entry' },
  FS: { magic: 0x51403912, message: 'fs_entry' },
  MM: { magic: 0x57492820, message: 'mm_entry' },
  REMAP_FPATH: { magic: 0x59133954, message: 'remap_file_path_entry' },
  GHOST_FILE: {
    magic: 0x52583605,
    message: 'ghost_chunk_entry',
    first: 'ghost_file_entry',
    extra: bytes('len'),
    isGhost: true,
  },
  TCP_STREAM: { magic: 0x51465506, message: 'tcp_stream_entry', extra: { kind: 'queues' } },
  EVENTFD_FILE: { magic: 0x44523722, message: 'eventfd_file_entry' },
  EVENTPOLL_FILE: { magic: 0x45023858, message: 'eventpoll_file_entry' },
  EVENTPOLL_TFD: { magic: 0x44433746, message: 'eventpoll_tfd_entry' },
  SIGNALFD: { magic: 0x57323820, message: 'signalfd_entry' },
  INOTIFY_FILE: { magic: 0x48424431, message: 'inotify_file_entry' },
  INOTIFY_WD: { magic: 0x54562009, message: 'inotify_wd_entry' },
  MNTS: { magic: 0x55563928, message: 'mnt_entry' },
  NETDEV: { magic: 0x57373951, message: 'net_device_entry' },
  NETNS: { magic: 0x55933752, message: 'netns_entry' },
  TTY_FILES: { magic: 0x59433025, message: 'tty_file_entry' },
  TTY_INFO: { magic: 0x59453036, message: 'tty_info_entry' },
  TTY_DATA: { magic: 0x59413026, message: 'tty_data_entry' },
  FILE_LOCKS: { magic: 0x54323616, message: 'file_lock_entry' },
  RLIMIT: { magic: 0x57113925, message: 'rlimit_entry' },
  FANOTIFY_FILE: { magic: 0x55096122, message: 'fanotify_file_entry' },
  FANOTIFY_MARK: { magic: 0x56506035, message: 'fanotify_mark_entry' },
  SIGNAL: { magic: 0x59255647, message: 'siginfo_entry' },
  NETLINK_SK: { magic: 0x58005614, message: 'netlink_sk_entry' },
  NS_FILES: { magic: 0x61394011, message: 'ns_file_entry' },
  TUNFILE: { magic: 0x57143751, message: 'tunfile_entry' },
  CGROUP: { magic: 0x59383330, message: 'cgroup_entry' },
  TIMERFD: { magic: 0x50493712, message: 'timerfd_entry' },
  CPUINFO: { magic: 0x61404013, message: 'cpuinfo_entry' },
  USERNS: { magic: 0x55474906, message: 'userns_entry' },
  SECCOMP: { magic: 0x64413049, message: 'seccomp_entry' },
  BINFMT_MISC: { magic: 0x67343323, message: 'binfmt_misc_entry' },
  AUTOFS: { magic: 0x49353943, message: 'autofs_entry' },
  FILES: { magic: 0x56303138, message: 'file_entry' },
  MEMFD_INODE: { magic: 0x48453499, message: 'memfd_inode_entry' },
  TIMENS: { magic: 0x43114433, message: 'timens_entry' },
  PIDNS: { magic: 0x61157326, message: 'pidns_entry' },
  BPFMAP_FILE: { magic: 0x57506142, message: 'bpfmap_file_entry' },
  BPFMAP_DATA: {
    magic: 0x64324033,
    message: 'bpfmap_data_entry',
    extra: bytes('keys_bytes', 'values_bytes'),
  },
  APPARMOR: { magic: 0x59423047, message: 'apparmor_entry' },
  PIDFD: { magic: 0x54435556, message: 'pidfd_entry' },
  STATS: { magic: 0x57093306, message: 'stats_entry' },
  IRMAP_CACHE: { magic: 0x57004059, message: 'irmap_cache_entry' },
};
