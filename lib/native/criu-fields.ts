// Made by `npm run generate` from lib/options/table.ts.

/**
 * Fields of CRIU's request by CRIU's own names (`criu_opts` of its rpc.proto): what the native
 * layer takes. Pairs are a repeated key/value message; with a number, of descriptors of this
 * process.
 */
export interface CriuFields {
  /** Descriptor of the images directory; -1 where `images_dir` names it. */
  images_dir_fd?: number;
  /** The root of the tree that is dumped. */
  pid?: number;
  /** Descriptor of the directory for the log and the statistics. */
  work_dir_fd?: number;
  /** External mounts: mount points, each with its name in the images. */
  ext_mnt?: readonly (readonly [string, string])[];
  /** Whether cgroups are saved at all. */
  manage_cgroups?: boolean;
  /** Whether a terminal may be saved whose master nobody holds. */
  orphan_pts_master?: boolean;
  /** Path of the images directory. */
  images_dir?: string;
  /** The option `parentPath`. */
  parent_img?: string;
  /** The option `leaveRunning`. */
  leave_running?: boolean;
  /** The option `tcpEstablished`. */
  tcp_established?: boolean;
  /** The option `tcpSkipInFlight`. */
  tcp_skip_in_flight?: boolean;
  /** The option `linkRemap`. */
  link_remap?: boolean;
  /** The option `extUnixSk`. */
  ext_unix_sk?: boolean;
  /** The option `shellJob`. */
  shell_job?: boolean;
  /** The option `lazyPages`. */
  lazy_pages?: boolean;
  /** The option `pageServer`. */
  ps?: readonly (readonly [string, string])[];
  /** The option `tls`. */
  tls?: boolean;
  /** The option `tlsCacert`. */
  tls_cacert?: string;
  /** The option `tlsCacrl`. */
  tls_cacrl?: string;
  /** The option `tlsCert`. */
  tls_cert?: string;
  /** The option `tlsKey`. */
  tls_key?: string;
  /** The option `tlsNoCnVerify`. */
  tls_no_cn_verify?: boolean;
  /** The option `fileLocks`. */
  file_locks?: boolean;
  /** The option `manageCgroupsMode`. */
  manage_cgroups_mode?: number;
  /** The option `emptyNs`. */
  empty_ns?: number;
  /** The option `autoDedup`. */
  auto_dedup?: boolean;
  /** The option `root`. */
  root?: string;
  /** The option `external`. */
  external?: readonly string[];
  /** The option `autoExtMnt`. */
  auto_ext_mnt?: boolean;
  /** The option `extMasters`. */
  ext_masters?: boolean;
  /** The option `extSharing`. */
  ext_sharing?: boolean;
  /** The option `tcpClose`. */
  tcp_close?: boolean;
  /** The option `ghostLimit`. */
  ghost_limit?: number;
  /** The option `forceIrmap`. */
  force_irmap?: boolean;
  /** The option `irmapPaths`. */
  irmap_scan_paths?: readonly string[];
  /** The option `networkLock`. */
  network_lock?: number;
  /** The option `preDumpMode`. */
  pre_dump_mode?: number;
  /** The option `trackMem`. */
  track_mem?: boolean;
  /** The option `freezeCgroup`. */
  freeze_cgroup?: string;
  /** The option `cgRoots`. */
  cg_root?: readonly (readonly [string, string])[];
  /** The option `cgroupYard`. */
  cgroup_yard?: string;
  /** The option `enableFs`. */
  enable_fs?: readonly string[];
  /** The option `skipMnt`. */
  skip_mnt?: readonly string[];
  /** The option `weakSysctls`. */
  weak_sysctls?: boolean;
  /** The option `evasiveDevices`. */
  evasive_devices?: boolean;
  /** The option `skipFileRwxCheck`. */
  skip_file_rwx_check?: boolean;
  /** The option `leaveStopped`. */
  leave_stopped?: boolean;
  /** The option `timeoutMs`. */
  timeout?: number;
  /** The option `configFile`. */
  config_file?: string;
  /** The option `logLevel`. */
  log_level?: number;
  /** The option `logFile`. */
  log_file?: string;
  /** The option `restoreSibling`. */
  rst_sibling?: boolean;
  /** The option `inheritFd`. */
  inherit_fd?: readonly (readonly [string, number])[];
  /** The option `joinNs`. */
  join_ns?: readonly (readonly [string, string])[];
  /** The option `lsmProfile`. */
  lsm_profile?: string;
  /** The option `lsmMountContext`. */
  lsm_mount_context?: string;
  /** The option `mntnsCompatMode`. */
  mntns_compat_mode?: boolean;
}
