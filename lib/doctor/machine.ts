import { join } from 'node:path';
import { readFile } from '../base/files.js';
import type { Criu } from '../criu/criu.js';
import { isOnTmpfs } from '../criu/kernel-data.js';
import { readProgramFile } from '../criu/program-file.js';
import { cgroupMounts } from '../linux/cgroup.js';
import type { Host } from '../linux/host.js';
import { exists, isDirectory } from '../linux/paths.js';
import { isUncounted, spaceAt } from '../linux/space.js';
import { wantedPipeSize } from '../preflight/checks/machine.js';
import { type Check, failed, passed, warned } from './check.js';

/** With less than this, hardly a process can be saved. */
const littleSpace = 256 * 1024 * 1024;

/** Which version of cgroups there is, and who makes them. */
export async function checkCgroups(host: Host): Promise<readonly Check[]> {
  const mounts = await cgroupMounts(host);
  const hasFreezer = mounts.some(
    ({ type, options }) => type === 'cgroup' && options.includes('freezer'),
  );
  const isUnified = await host.unified();
  if (!isUnified && !hasFreezer) {
    const message = `There is no cgroup file system with a freezer at ${host.cgroupRoot}`;
    return [
      failed('cgroups', message, 'Mount cgroup2 there, or the v1 hierarchy freezer below it'),
    ];
  }
  const hasV2 = mounts.some(({ type }) => type === 'cgroup2');
  const v1 = hasV2 ? 'cgroup v1, with v2 beside it (hybrid)' : 'cgroup v1';
  const isSystemds = await isDirectory(join(host.systemRoot, '/run/systemd/system'));
  const driver = isSystemds ? 'systemd' : 'cgroupfs';
  return [
    passed('cgroups', `There is ${isUnified ? 'cgroup v2' : v1}, and the driver is ${driver}`),
  ];
}

/** Whether CRIU can keep what it finds out about the kernel. */
export async function checkKernelData(criu: Criu): Promise<readonly Check[]> {
  const { binary, service } = await criu.installation();
  if (service !== undefined) return [];
  const { kernelDataDirectory: directory } = await readProgramFile(binary);
  if (directory === undefined) {
    return [passed('kernel-data-cache', 'This criu keeps nothing of what it knows of the kernel')];
  }
  if (await isOnTmpfs(directory)) {
    const isThere = await exists(join(directory, 'criu.kdat'));
    const when = isThere ? 'keeps' : 'will keep';
    const message = `CRIU ${when} what it knows of the kernel in ${directory}/criu.kdat`;
    return [passed('kernel-data-cache', message, directory)];
  }
  const message = `${directory} is not on a tmpfs: CRIU finds out about the kernel anew for each dump`;
  return [warned('kernel-data-cache', message, `Mount a tmpfs at ${directory}`, directory)];
}

/** Whether the pipes are large enough to serve memory lazily. */
export async function checkPipeSize(host: Host): Promise<readonly Check[]> {
  const size = Number(await readFile(`${host.procRoot}/sys/fs/pipe-max-size`, 'latin1'));
  const message = `fs.pipe-max-size is ${size}`;
  if (size >= wantedPipeSize) return [passed('pipe-size', message)];
  const why = `${message}: without CAP_SYS_RESOURCE lazy pages of a large process cannot be served`;
  return [warned('pipe-size', why, `sysctl fs.pipe-max-size=${wantedPipeSize}`)];
}

/** How much room there is for images. */
export async function checkSpace(directory: string): Promise<readonly Check[]> {
  const space = await spaceAt(directory);
  if (space === undefined) return [];
  const { path, stats } = space;
  if (isUncounted(stats)) return [passed('space', `${path} has no limit of its space`, path)];
  const free = stats.bavail * stats.bsize;
  const message = `${path} has ${(free / 1024 ** 2).toFixed(0)} MiB left for images`;
  if (free >= littleSpace) return [passed('space', message, path)];
  return [warned('space', message, 'Make room, or give another imagePath', path)];
}
