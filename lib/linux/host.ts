import { statfsSync } from 'node:fs';

/** Where the machine's state is read from. Tests put a made tree in the place of `/proc`. */
export interface Host {
  /** What stands before `/etc` and `/run` in a path; empty on a real machine. */
  readonly systemRoot: string;
  /** `/proc`. */
  readonly procRoot: string;
  /** `/sys/fs/cgroup`. */
  readonly cgroupRoot: string;
  /** The directory of what this package keeps until the next boot, `/run/libcriu`. */
  readonly runRoot: string;
  /** Whether `cgroupRoot` is the unified hierarchy (cgroup v2), as opposed to v1 or hybrid. */
  readonly unified: () => Promise<boolean>;
  /** The kernel's number for the type of the file system that a path leads into. */
  readonly fileSystem: (path: string) => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly euid: number;
}

const cgroup2SuperMagic = 0x63677270;

/** The machine that this process runs on. */
export const realHost: Host = {
  systemRoot: '',
  procRoot: '/proc',
  cgroupRoot: '/sys/fs/cgroup',
  runRoot: '/run/libcriu',
  unified: async () => {
    try {
      return statfsSync('/sys/fs/cgroup').type === cgroup2SuperMagic;
    } catch {
      return false;
    }
  },
  fileSystem: (path) => statfsSync(path).type,
  env: process.env,
  // The process can change its user, so that the value is asked for each time.
  get euid() {
    return process.geteuid?.() ?? -1;
  },
};
