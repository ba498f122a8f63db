import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { option, sentence } from '../../base/sentence.js';
import { isRemote, type Mount } from '../../linux/mountinfo.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import type { Scan } from '../scan.js';

/** A file that a task has open, mapped, or is in. */
export interface OpenFile {
  readonly fd?: number;
  /** How to speak of it: `descriptor 3`, `its program`. */
  readonly role: string;
  /** What its link of `/proc` says. */
  readonly path: string;
  readonly mountId: number | undefined;
  readonly isTerminal?: boolean;
  /** Its link below `/proc`. */
  readonly link: string;
  /** Of what the link leads to, if that has been looked at. */
  readonly stat?: BigIntStats;
}

const deleted = / \(deleted\)$/;
const blockSize = 512n;
/** Of the file system of POSIX message queues. */
const mqueueMagic = 0x19800202;

/** CRIU reopens a file by its path in a mount of the tasks: that has to lead back to it. */
export async function checkFile(scan: Scan, task: Task, file: OpenFile): Promise<void> {
  const { mounts, allowed } = scan;
  const mount = file.mountId === undefined ? undefined : mounts.get(file.mountId);
  // A server that does not answer would hold us up.
  if (mount && isRemote(mount)) return;
  const stat = file.stat ?? (await scan.proc.stat(file.link));
  if (!stat) return;
  if (file.mountId !== undefined) {
    const key = `file[${file.mountId.toString(16)}:${stat.ino.toString(16)}]`;
    if (allowed.externals.has(key)) return;
    if (!mount) return reportOutside(scan, task, file, stat, key);
    if (scan.isHidden(mount)) {
      return reportHidden(scan, task, file, `the mount ${shownPath(mount.mountpoint)}`);
    }
  }
  if (mount?.type === 'proc' || mount?.type === 'devpts') return;
  if (stat.nlink === 0n) return reportUnlinked(scan, task, file, stat);
  await checkPath(scan, task, file, stat, mount);
}

async function checkPath(
  scan: Scan,
  task: Task,
  file: OpenFile,
  stat: BigIntStats,
  mount: Mount | undefined,
): Promise<void> {
  const namespace = scan.namespaceOf(mount, task);
  const base = namespace === undefined ? undefined : scan.roots.get(namespace);
  if (base === undefined || !file.path.startsWith('/')) return;
  let found: BigIntStats;
  try {
    found = await lstat(join(base, file.path), { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
    if (scan.allowed.flags.has('link-remap') || mount?.type === 'overlay') return;
    scan.report(
      {
        code: 'file-renamed',
        severity: 'needs-option',
        pid: task.pid,
        ...(file.fd === undefined ? {} : { fd: file.fd }),
        subject: file.path.replace(deleted, ''),
        option: 'linkRemap',
        value: true,
        message: sentence`${capital(file.role)} of process ${task.pid} is
          ${shownPath(file.path.replace(deleted, ''))}, a name that is gone while the file has another:
          pass ${option('linkRemap', true)}`,
      },
      `${stat.dev} ${stat.ino}`,
    );
    return;
  }
  if (found.ino === stat.ino && found.dev === stat.dev) return;
  const isDevice = stat.isCharacterDevice() || stat.isBlockDevice();
  const isSameDevice = isDevice && found.rdev === stat.rdev;
  if (!isSameDevice) return reportHidden(scan, task, file, 'another file of that name');
  if (scan.allowed.flags.has('evasive-devices')) return;
  scan.report({
    code: 'file-hidden',
    severity: 'needs-option',
    pid: task.pid,
    ...(file.fd === undefined ? {} : { fd: file.fd }),
    subject: file.path,
    option: 'evasiveDevices',
    value: true,
    message: sentence`${capital(file.role)} of process ${task.pid} is a device whose path
      ${shownPath(file.path)} now leads to another node of the same device: pass
      ${option('evasiveDevices', true)}`,
  });
}

async function reportOutside(
  scan: Scan,
  task: Task,
  file: OpenFile,
  stat: BigIntStats,
  key: string,
): Promise<void> {
  const { report, allowed, proc } = scan;
  const common = {
    pid: task.pid,
    ...(file.fd === undefined ? {} : { fd: file.fd }),
    subject: file.path,
  };
  const identity = `${stat.dev} ${stat.ino}`;
  const subject = `${capital(file.role)} of process ${task.pid}, ${shownPath(file.path)},`;
  if (file.isTerminal) {
    if (allowed.flags.has('shell-job')) return;
    report(
      {
        ...common,
        code: 'terminal',
        severity: 'needs-option',
        option: 'shellJob',
        value: true,
        message: sentence`${subject} is a terminal from outside of its mount namespace: pass
          ${option('shellJob', true)}`,
      },
      identity,
    );
    return;
  }
  if ((await proc.fileSystem(file.link)) === mqueueMagic) {
    report(
      {
        ...common,
        code: 'posix-mqueue',
        severity: 'fails',
        message: `${subject} is a POSIX message queue, which CRIU does not support: close it`,
      },
      identity,
    );
    return;
  }
  if (file.fd === undefined) {
    report(
      {
        ...common,
        code: 'file-outside',
        severity: 'fails',
        message:
          `${subject} lies outside of its mount namespace and cannot be found again: start it from ` +
          'a file in that namespace',
      },
      identity,
    );
    return;
  }
  const value = [key];
  report(
    {
      ...common,
      code: 'file-outside',
      severity: 'needs-option',
      option: 'external',
      value,
      message: sentence`${subject} lies outside of its mount namespace: open it anew inside, or pass
        ${option('external', value)} and hand the file over at restore`,
    },
    identity,
  );
}

function reportHidden({ report }: Scan, { pid }: Task, file: OpenFile, by: string): void {
  report({
    code: 'file-hidden',
    severity: 'fails',
    pid,
    ...(file.fd === undefined ? {} : { fd: file.fd }),
    subject: file.path,
    message:
      `${capital(file.role)} of process ${pid}, ${shownPath(file.path)}, cannot be reached by its path, ` +
      `which now leads to ${by === 'another file of that name' ? by : `what is mounted over ${by}`}: ` +
      'unmount what hides it, or close it',
  });
}

function reportUnlinked(
  { report, allowed }: Scan,
  { pid }: Task,
  file: OpenFile,
  stat: BigIntStats,
): void {
  const size = Number(stat.blocks * blockSize);
  if (size <= allowed.ghostLimit) return;
  const path = file.path.replace(deleted, '');
  report(
    {
      code: 'file-unlinked',
      severity: 'needs-option',
      pid,
      ...(file.fd === undefined ? {} : { fd: file.fd }),
      subject: path,
      option: 'ghostLimit',
      value: size,
      message: sentence`${capital(file.role)} of process ${pid}, ${shownPath(path)}, is deleted and has
        ${size} bytes, more than CRIU saves by itself (${allowed.ghostLimit}): pass
        ${option('ghostLimit', size)} or more`,
    },
    `${stat.dev} ${stat.ino}`,
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
