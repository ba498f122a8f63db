import { readlinkSync } from 'node:fs';
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { findContainer } from '../../lib/container/find.js';
import type { Container, ContainerHook } from '../../lib/container/state/container.js';
import { splitDevice } from '../../lib/linux/device.js';
import type { Host } from '../../lib/linux/host.js';

const fixtures = new URL('../fixtures/state/', import.meta.url).pathname;

/** The init process that every fixture records. */
export const init = {
  runc: { pid: 8148, startTime: 139846 },
  crun: { pid: 14090, startTime: 148080 },
};

/** A made `/proc`, `/sys/fs/cgroup` and state root below one directory. */
export interface Machine {
  directory: string;
  /** The state root. */
  root: string;
  host: Host;
  write: (path: string, text: string) => Promise<string>;
  mkdir: (path: string) => Promise<string>;
  /** Puts a fixture's state at `root/id`, its cgroup paths below the made tree. */
  container: (fixture: string, change?: (text: string) => string) => Promise<void>;
  /** Writes `/proc/PID/stat`. */
  process: (pid: number, startTime: number, state?: string) => Promise<void>;
}

/** Makes a machine with one v1 hierarchy a controller, or with the unified one alone. */
export async function makeMachine({ unified = false } = {}): Promise<Machine> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'libcriu-machine-')));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const cgroupRoot = join(directory, 'cgroup');
  const procRoot = join(directory, 'proc');
  const root = join(directory, 'run');
  const write = async (path: string, text: string) => {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true });
    // As the kernel does, never without a content: somebody may be reading it.
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    return file;
  };
  const makeDirectory = async (path: string) => {
    const made = join(directory, path);
    await mkdir(made, { recursive: true });
    return made;
  };
  const controllers = ['cpuset', 'cpu,cpuacct', 'devices', 'freezer', 'name=systemd'];
  const { major, minor } = splitDevice((await stat(directory, { bigint: true })).dev);
  const mountLine = (point: string, type: string, options: string) =>
    `30 25 ${major}:${minor} / ${point} rw,relatime shared:9 - ${type} ${type} rw,${options}`;
  const mounts = unified
    ? [mountLine(cgroupRoot, 'cgroup2', 'nsdelegate')]
    : [
        mountLine('/somewhere\\040else', 'tmpfs', 'mode=755'),
        ...controllers.map((name) =>
          mountLine(join(cgroupRoot, name.replace('name=', '')), 'cgroup', name),
        ),
        mountLine(`${cgroupRoot}/again`, 'cgroup', 'freezer'),
        // Hierarchies that this process is not in.
        ...['blkio', 'cpu', 'cpuacct', 'memory', 'pids'].map((name) =>
          mountLine(join(cgroupRoot, name), 'cgroup', `no-${name}`),
        ),
        mountLine(`${cgroupRoot}/unified`, 'cgroup2', 'nsdelegate'),
      ];
  const memberships = unified
    ? ['0::/']
    : [...controllers.map((name, index) => `${index + 2}:${name}:/`), '0::/'];
  await write('proc/self/mountinfo', `${mounts.join('\n')}\n`);
  await write('proc/self/cgroup', `${memberships.join('\n')}\n`);
  await write('proc/self/uid_map', '         0          0 4294967295\n');
  await mkdir(cgroupRoot, { recursive: true });
  await mkdir(root);
  return {
    directory,
    root,
    host: {
      systemRoot: directory,
      procRoot,
      cgroupRoot,
      runRoot: join(directory, 'run-libcriu'),
      unified: async () => unified,
      fileSystem: (descriptor) => {
        const path = readlinkSync(descriptor);
        if (!path.startsWith(cgroupRoot)) return 0;
        return unified || path.startsWith(`${cgroupRoot}/unified`) ? 0x63677270 : 0x27e0eb;
      },
      env: {},
      euid: 0,
    },
    write,
    mkdir: makeDirectory,
    container: async (fixture, change = (text) => text) => {
      const stateDir = join(root, 'web');
      await cp(join(fixtures, fixture), stateDir, { recursive: true });
      const file = join(stateDir, fixture.startsWith('runc') ? 'state.json' : 'status');
      const text = await readFile(file, 'utf8');
      // Only the container's own cgroups, not the mount that it has of them.
      const moved = text.replace(/"cgroup_paths":\{[^}]*\}/, (paths) =>
        paths.replaceAll('/sys/fs/cgroup', cgroupRoot),
      );
      await writeFile(file, change(moved));
    },
    process: async (pid, startTime, state = 'S') => {
      const rest = [...'1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0'.split(' '), startTime, 0, 0];
      await write(`proc/${pid}/stat`, `${pid} (a ) b (c) ${state} ${rest.join(' ')}\n`);
    },
  };
}

/** A machine with a container whose init is gone and whose cgroups are empty. */
export async function makeEndedContainer(
  fixture = 'runc-1.1.5-hybrid',
  unified = false,
): Promise<{ machine: Machine; container: Container }> {
  const machine = await makeMachine({ unified });
  await machine.container(fixture);
  const container = { ...(await findContainer('web', machine, machine.host)), poststopHooks: [] };
  for (const path of container.cgroupPaths.values()) await mkdir(path, { recursive: true });
  return { machine, container };
}

/** A poststop hook that runs a shell script. */
export const shellHook = (script: string, more: Partial<ContainerHook> = {}): ContainerHook => ({
  path: '/bin/sh',
  args: ['sh', '-c', script],
  env: undefined,
  timeoutMs: undefined,
  ...more,
});
