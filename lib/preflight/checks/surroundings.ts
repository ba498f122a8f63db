import { delimiter } from 'node:path';
import { CriuError } from '../../base/errors.js';
import { option, sentence } from '../../base/sentence.js';
import { trustedPath } from '../../criu/environment.js';
import { type Capability, capabilitySet, hasCapability } from '../../linux/capabilities.js';
import { findIn, isExecutable } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import { nativeAddon } from '../../native/addon.js';
import type { DumpOptions } from '../../options/types.js';
import type { Scan } from '../scan.js';

/** Looks for what this process hands down to criu, or withholds from it. */
export async function checkSurroundings(scan: Scan, options: DumpOptions): Promise<void> {
  checkAddon(scan);
  if (process.geteuid?.() !== 0) return;
  const status = (await scan.proc.text('self/status')) ?? '';
  const effective = capabilitySet(status, 'CapEff');
  const lacks = (name: Capability): boolean => !hasCapability(effective, name);
  if (lacks('CAP_SYS_RESOURCE')) await checkLimitsReadable(scan, status);
  if (lacks('CAP_SYS_CHROOT')) checkMountNamespace(scan);
  if (lacks('CAP_NET_ADMIN')) checkNetwork(scan, options);
  await checkFileSize(scan, options);
  await checkTar(scan, options);
}

function checkAddon({ root, report }: Scan): void {
  try {
    nativeAddon();
  } catch (error) {
    if (!(error instanceof CriuError)) throw error;
    const message = error.sentence;
    report({ code: 'addon', severity: 'fails', pid: root.pid, subject: 'addon', message });
  }
}

/** CRIU reads the limits of each task by prlimit(), which the kernel allows for the same user only. */
async function checkLimitsReadable(scan: Scan, ownStatus: string): Promise<void> {
  const { tasks, own, proc } = scan;
  const mine = [realId(ownStatus, 'Uid'), realId(ownStatus, 'Gid')];
  const isAnothers = async (task: Task): Promise<boolean> => {
    // In a user namespace below ours root has all capabilities.
    if (task.namespaces.user !== own.user) return false;
    const status = await proc.text(`${task.pid}/status`);
    if (status === undefined) return false;
    return ['Uid', 'Gid'].some((name, index) => {
      const [real, effective, saved] = ids(status, name);
      return [real, effective, saved].some((id) => id !== mine[index]);
    });
  };
  for (const task of tasks) {
    if (!(await isAnothers(task))) continue;
    missing(
      scan,
      'CAP_SYS_RESOURCE',
      `This process lacks CAP_SYS_RESOURCE, without which CRIU cannot read the limits of process ` +
        `${task.pid}, which is another user's: give it that capability`,
    );
    return;
  }
}

function checkMountNamespace(scan: Scan): void {
  const inside = scan.tasks.find(({ namespaces }) => namespaces.mnt !== scan.own.mnt);
  if (inside === undefined) return;
  missing(
    scan,
    'CAP_SYS_CHROOT',
    `This process lacks CAP_SYS_CHROOT, without which CRIU cannot enter the mount namespace of ` +
      `process ${inside.pid}: give it that capability`,
  );
}

function checkNetwork(scan: Scan, { networkLock }: DumpOptions): void {
  const { root, own } = scan;
  if (networkLock === 'skip' || root.namespaces.net === own.net) return;
  missing(
    scan,
    'CAP_NET_ADMIN',
    `This process lacks CAP_NET_ADMIN, without which CRIU cannot lock the network of process ` +
      `${root.pid}: give it that capability`,
  );
}

function missing({ report, root }: Scan, subject: string, message: string): void {
  report({ code: 'capability', severity: 'fails', pid: root.pid, subject, message });
}

/** The memory of each task is one file; criu has the limit of its parent. */
async function checkFileSize(
  { proc, tasks, root, report, allowed }: Scan,
  { pageServer }: DumpOptions,
): Promise<void> {
  if (pageServer !== undefined || allowed.flags.has('lazy-pages')) return;
  const limits = (await proc.text('self/limits')) ?? '';
  const limit = /^Max file size\s+(\d+)\s/m.exec(limits)?.[1];
  const needed = Math.max(...tasks.map(({ privateBytes }) => privateBytes));
  if (limit === undefined || needed <= Number(limit)) return;
  report({
    code: 'file-size-limit',
    severity: 'fails',
    pid: root.pid,
    subject: 'RLIMIT_FSIZE',
    message:
      `This process may write files of ${limit} bytes only, and a task has ${needed} bytes of memory ` +
      'of its own: raise the limit (ulimit -f unlimited)',
  });
}

/** CRIU archives what is in a tmpfs of the tree's own with the program `tar`, unless that is ours. */
async function checkTar(scan: Scan, { tar }: DumpOptions): Promise<void> {
  if (tar !== 'system') return;
  const archived = tmpfsOf(scan);
  if (archived === undefined || (await isInPath('tar'))) return;
  const { root, report } = scan;
  report({
    code: 'program-missing',
    severity: 'needs-option',
    pid: root.pid,
    subject: 'tar',
    option: 'tar',
    value: 'native',
    message: sentence`CRIU saves the tmpfs at ${archived} with the program tar, which is in no trusted
      directory of PATH: install it, or ${option('tar', 'native')}`,
  });
}

/** The mount point of a tmpfs that is saved with its content. */
function tmpfsOf({ mountNamespaces, own, allowed, isHidden }: Scan): string | undefined {
  return mountNamespaces
    .filter(({ inode }) => inode !== own.mnt)
    .flatMap(({ mounts }) => mounts)
    .find(
      (mount) =>
        mount.type === 'tmpfs' &&
        mount.root === '/' &&
        !isHidden(mount) &&
        !allowed.externalMounts.has(mount.mountpoint) &&
        !allowed.skippedMounts.has(mount.mountpoint),
    )?.mountpoint;
}

async function isInPath(program: string): Promise<boolean> {
  const directories = (await trustedPath()).split(delimiter);
  return (await findIn(directories, program, isExecutable)) !== undefined;
}

function ids(status: string, name: string): readonly (string | undefined)[] {
  return (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/);
}

function realId(status: string, name: string): string | undefined {
  return ids(status, name)[0];
}
