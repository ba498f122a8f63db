import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.js';
import type { FindingDraft } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { isRemote, type Mount } from '../../linux/mountinfo.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import type { Scan } from '../scan.js';

/** A file that a task has open, has mapped, or is in. */
export interface OpenFile {
  readonly fd?: number;
  /** How a sentence speaks of it: `descriptor 3`, `the program`. */
  readonly role: string;
  /** The target of its link in `/proc`. */
  readonly path: string;
  readonly mountId: number | undefined;
  readonly isTerminal?: boolean;
  /** The path of its link below `/proc`. */
  readonly link: string;
  /** The stat of what the link leads to, if that has been looked at. */
  readonly stat?: BigIntStats;
}

/** A file of a task with its stat, as the reports need it. */
interface FileOfTask {
  readonly task: Task;
  readonly file: OpenFile;
  readonly stat: BigIntStats;
}

const deleted = / \(deleted\)$/;
const blockSize = 512n;
/** The kernel's number for the file system of POSIX message queues. */
const mqueueMagic = 0x19800202;

/** CRIU reopens a file by its path in a mount of the tasks, so that path has to lead back to it. */
export async function checkFile(scan: Scan, task: Task, file: OpenFile): Promise<void> {
  const { mounts, allowed } = scan;
  const mount = file.mountId === undefined ? undefined : mounts.get(file.mountId);
  // A stat would wait for a server that does not answer.
  if (mount && isRemote(mount)) return;
  const stat = file.stat ?? (await scan.proc.stat(file.link));
  if (!stat) return;
  const found = { task, file, stat };
  if (file.mountId !== undefined) {
    const key = `file[${file.mountId.toString(16)}:${stat.ino.toString(16)}]`;
    if (allowed.externals.has(key)) return;
    if (!mount) return reportOutside(scan, found, key);
    if (scan.isHidden(mount)) {
      const over = `what is mounted over the mount ${shownPath(mount.mountpoint)}`;
      return reportHidden(scan, found, over);
    }
  }
  if (mount?.type === 'proc' || mount?.type === 'devpts') return;
  if (stat.nlink === 0n) return reportUnlinked(scan, found);
  await checkPath(scan, found, mount);
}

/** Looks where the path of a file leads now. */
async function checkPath(scan: Scan, found: FileOfTask, mount: Mount | undefined): Promise<void> {
  const { task, file, stat } = found;
  const namespace = scan.namespaceOf(mount, task);
  const base = namespace === undefined ? undefined : scan.roots.get(namespace);
  if (base === undefined || !file.path.startsWith('/')) return;
  let there: BigIntStats;
  try {
    there = await lstat(await bytesOf(scan, file, base), { bigint: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') reportRenameOf(scan, found);
    return;
  }
  if (there.ino === stat.ino && there.dev === stat.dev) return;
  const isDevice = stat.isCharacterDevice() || stat.isBlockDevice();
  if (isDevice && there.rdev === stat.rdev) reportOtherNode(scan, found);
  else reportHidden(scan, found, 'another file of that name');
}

/** The path of a file as the kernel has it: its bytes need not be text. */
async function bytesOf({ proc }: Scan, { link, path }: OpenFile, base: string): Promise<Buffer> {
  const isText = !path.includes('\uFFFD');
  const bytes = isText ? undefined : await proc.linkBytes(link);
  return Buffer.concat([Buffer.from(base), bytes ?? Buffer.from(path)]);
}

/** Reports a path that the kernel does not tell, so that CRIU cannot save it either. */
export function reportTooLong(
  { report }: Scan,
  holder: { pid: number; fd?: number },
  role: string,
): void {
  report({
    ...holder,
    code: 'file-hidden',
    severity: 'fails',
    subject: role,
    message:
      `${capital(role)} of process ${holder.pid} has a path of more than 4095 bytes, which CRIU ` +
      'cannot read: use a shorter one',
  });
}

/** What every finding about a file says of it. */
function about({ task, file }: FileOfTask): { pid: number; fd?: number; subject: string } {
  const { fd, path } = file;
  return { pid: task.pid, ...(fd === undefined ? {} : { fd }), subject: path };
}

/** Names a file at the start of a sentence. */
function nameOf({ task, file }: FileOfTask): string {
  return `${capital(file.role)} of process ${task.pid}`;
}

/** What tells a file from others: the same finding about it is reported once. */
function identityOf({ stat }: FileOfTask): string {
  return `${stat.dev} ${stat.ino}`;
}

/** A name is gone while the file has another one, which CRIU can make a link to. */
function reportRenameOf({ report, allowed }: Scan, found: FileOfTask): void {
  if (allowed.flags.has('link-remap')) return;
  const path = found.file.path.replace(deleted, '');
  report(
    {
      ...about(found),
      code: 'file-renamed',
      severity: 'needs-option',
      subject: path,
      option: 'linkRemap',
      value: true,
      message: sentence`${nameOf(found)} is ${shownPath(path)}, a name that is gone while the file has
        another: pass ${option('linkRemap', true)}`,
    },
    identityOf(found),
  );
}

function reportOtherNode({ report, allowed }: Scan, found: FileOfTask): void {
  if (allowed.flags.has('evasive-devices')) return;
  report({
    ...about(found),
    code: 'file-hidden',
    severity: 'needs-option',
    option: 'evasiveDevices',
    value: true,
    message: sentence`${nameOf(found)} is a device whose path ${shownPath(found.file.path)} now leads to
      another node of the same device: pass ${option('evasiveDevices', true)}`,
  });
}

/** Reports a file of a mount that is in none of the tree's mount namespaces. */
async function reportOutside(scan: Scan, found: FileOfTask, key: string): Promise<void> {
  if (found.file.isTerminal && scan.allowed.flags.has('shell-job')) return;
  const isQueue = (await scan.proc.fileSystem(found.file.link)) === mqueueMagic;
  scan.report({ ...about(found), ...outsideFinding(found, key, isQueue) }, identityOf(found));
}

function outsideFinding(
  found: FileOfTask,
  key: string,
  isQueue: boolean,
): Omit<FindingDraft, 'pid' | 'subject'> {
  const { file } = found;
  const subject = `${nameOf(found)}, ${shownPath(file.path)},`;
  if (file.isTerminal) {
    return {
      code: 'terminal',
      severity: 'needs-option',
      option: 'shellJob',
      value: true,
      message: sentence`${subject} is a terminal from outside of its mount namespace: pass
        ${option('shellJob', true)}`,
    };
  }
  if (isQueue) {
    return {
      code: 'posix-mqueue',
      severity: 'fails',
      message: `${subject} is a POSIX message queue, which CRIU does not support: close it`,
    };
  }
  if (file.fd === undefined) {
    return {
      code: 'file-outside',
      severity: 'fails',
      message:
        `${subject} lies outside of its mount namespace and cannot be found again: start it from ` +
        'a file in that namespace',
    };
  }
  return {
    code: 'file-outside',
    severity: 'needs-option',
    option: 'external',
    value: [key],
    message: sentence`${subject} lies outside of its mount namespace: open it anew inside, or pass
      ${option('external', [key])} and hand the file over at restore`,
  };
}

function reportHidden({ report }: Scan, found: FileOfTask, leadsTo: string): void {
  report({
    ...about(found),
    code: 'file-hidden',
    severity: 'fails',
    message:
      `${nameOf(found)}, ${shownPath(found.file.path)}, cannot be reached by its path, which now ` +
      `leads to ${leadsTo}: unmount what hides it, or close it`,
  });
}

/** CRIU saves the content of a deleted file up to a limit. */
function reportUnlinked({ report, allowed }: Scan, found: FileOfTask): void {
  const size = Number(found.stat.blocks * blockSize);
  if (size <= allowed.ghostLimit) return;
  const path = found.file.path.replace(deleted, '');
  report(
    {
      ...about(found),
      code: 'file-unlinked',
      severity: 'needs-option',
      subject: path,
      option: 'ghostLimit',
      value: size,
      message: sentence`${nameOf(found)}, ${shownPath(path)}, is deleted and has ${size} bytes, more than
        CRIU saves by itself (${allowed.ghostLimit}): pass ${option('ghostLimit', size)} or more`,
    },
    identityOf(found),
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
