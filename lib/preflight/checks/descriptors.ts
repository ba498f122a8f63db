import type { FindingDraft } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { splitDevice } from '../../linux/device.js';
import { isRemote } from '../../linux/mountinfo.js';
import { shownPath } from '../../linux/paths.js';
import { parseProcessStat } from '../../linux/process-stat.js';
import type { Task } from '../../linux/process-tree.js';
import { forEach, mountIdOf } from '../../linux/procfs.js';
import type { Scan } from '../scan.js';
import { checkFile, type OpenFile } from './files.js';
import { isTerminal, type Terminals } from './terminals.js';

/** Sockets of the tree: the inode and the first that holds it. */
export type OwnSockets = Map<string, { pid: number; fd: number }>;

/** Kinds of descriptors without a file that CRIU can save. */
const savedKinds: ReadonlySet<string> = new Set([
  '[eventfd]',
  '[eventpoll]',
  'inotify',
  '[fanotify]',
  '[signalfd]',
  '[timerfd]',
  '[pidfd]',
]);
const namespaceFile = /^(mnt|net|pid|ipc|uts|user|time|cgroup):\[(\d+)\]$/;

/** What CRIU does with a device node: majors and minors of `dump_chrdev`'s own cases. */
const memMajor = 1;
const miscMajor = 10;
const savedMisc: ReadonlySet<number> = new Set([200 /* tun */, 235 /* autofs */]);

/** Looks at every descriptor of a process. */
export async function checkDescriptors(
  scan: Scan,
  task: Task,
  sockets: OwnSockets,
  terminals: Terminals,
  { savesMaps }: { savesMaps: boolean },
): Promise<void> {
  const { proc, budget, report } = scan;
  const { pid } = task;
  const names = await proc.names(`${pid}/fd`);
  if (names === undefined) {
    if (await isEnding(scan, pid)) return;
    report({
      code: 'unreadable',
      severity: 'notice',
      pid,
      subject: 'descriptors',
      message: `The descriptors of process ${pid} may not be read: ask as root to have them explained`,
    });
    return;
  }
  const numbers = names.map(Number).sort((a, b) => a - b);
  await forEach(numbers, budget, async (fd) => {
    const [link, info] = await Promise.all([
      proc.link(`${pid}/fd/${fd}`),
      proc.text(`${pid}/fdinfo/${fd}`),
    ]);
    if (link === undefined || info === undefined) return;
    checkLock(scan, task, fd, link, info);
    const socket = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    if (socket !== undefined) {
      if (!sockets.has(socket)) sockets.set(socket, { pid, fd });
    } else if (link.startsWith('anon_inode:') || link.startsWith('pidfd:')) {
      checkAnonymous(scan, task, fd, link, info, savesMaps);
    } else if (namespaceFile.test(link)) checkNamespaceFile(scan, task, fd, link);
    else if (link.startsWith('/')) await checkPathDescriptor(scan, task, fd, link, info, terminals);
    else if (!link.startsWith('pipe:')) report(unsupported(pid, fd, link));
  });
}

/** PF_EXITING of stat's flags. */
const exiting = 0x4;

/** A process on its way out has its descriptors closed before it is a zombie. */
async function isEnding({ proc }: Scan, pid: number): Promise<boolean> {
  const stat = await proc.text(`${pid}/stat`);
  if (stat === undefined) return true;
  const { isDead, flags } = parseProcessStat(stat);
  return isDead || (flags & exiting) !== 0;
}

function unsupported(pid: number, fd: number, link: string): FindingDraft {
  const kind = link.replace(/^anon_inode:/, '').replace(/^\[(.*)\]$/, '$1');
  if (kind === 'io_uring') {
    return {
      code: 'io-uring',
      severity: 'fails',
      pid,
      fd,
      subject: link,
      message:
        `Descriptor ${fd} of process ${pid} is an io_uring, which CRIU does not support: have the ` +
        'program do without (Node.js 20: UV_USE_IO_URING=0, newer: libcriu run)',
    };
  }
  return {
    code: 'unsupported-descriptor',
    severity: 'fails',
    pid,
    fd,
    subject: link,
    message: `Descriptor ${fd} of process ${pid} is of a kind that CRIU does not support (${shownPath(kind)}): close it`,
  };
}

function checkAnonymous(
  scan: Scan,
  task: Task,
  fd: number,
  link: string,
  info: string,
  savesMaps: boolean,
): void {
  const kind = link.replace(/^anon_inode:/, '').replace(/^pidfd:.*/, '[pidfd]');
  const isSaved = savedKinds.has(kind) || (kind === 'bpf-map' && savesMaps);
  if (!isSaved) scan.report(unsupported(task.pid, fd, link));
  if (kind === '[pidfd]') checkPidfd(scan, task, fd, link, info);
  if (kind === 'inotify' || kind === '[fanotify]') checkWatches(scan, task, fd, link, info);
}

/** O_EXCL, which marks a pidfd of a thread. */
const threadFlag = 0o200;

function checkPidfd(
  { report, tasks }: Scan,
  { pid }: Task,
  fd: number,
  link: string,
  info: string,
): void {
  const target = Number(/^Pid:\s*(-?\d+)$/m.exec(info)?.[1] ?? -1);
  const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
  const isOfThread = (flags & threadFlag) !== 0;
  if (!isOfThread && (target === -1 || tasks.some((task) => task.pid === target))) return;
  report({
    code: 'unsupported-descriptor',
    severity: 'fails',
    pid,
    fd,
    subject: link,
    message: isOfThread
      ? `Descriptor ${fd} of process ${pid} is the pidfd of a thread, which CRIU does not support: close it`
      : `Descriptor ${fd} of process ${pid} is the pidfd of process ${target}, which is not in the tree: close it`,
  });
}

/** The kernel tells a watched file by device and inode; CRIU needs a mount that has it. */
function checkWatches(scan: Scan, { pid }: Task, fd: number, link: string, info: string): void {
  const { report, mounts, allowed, hostMounts } = scan;
  const marked = /^fanotify mnt_id:([0-9a-f]+)/gm;
  for (const [, id = ''] of info.matchAll(marked)) {
    if (mounts.has(Number.parseInt(id, 16))) continue;
    report({
      code: 'watch',
      severity: 'fails',
      pid,
      fd,
      subject: `${link} mount ${Number.parseInt(id, 16)}`,
      message:
        `Descriptor ${fd} of process ${pid} (fanotify) watches a mount that is not in its mount ` +
        'namespace: close it',
    });
  }
  const all = [...mounts.values(), ...hostMounts];
  for (const [, inode = '', sdev = ''] of info.matchAll(/\bino:([0-9a-f]+) sdev:([0-9a-f]+)/g)) {
    // The kernel's own packing: twenty bits of minor.
    const packed = Number.parseInt(sdev, 16);
    const device = `${packed >>> 20}:${packed & 0xfffff}`;
    const mount = [...mounts.values()].find(({ dev }) => dev === device);
    if (mount && mount.type !== 'overlay') continue;
    if (allowed.scansPaths) continue;
    const type = mount?.type ?? all.find(({ dev }) => dev === device)?.type;
    const where = mount ? `of an ${type} file system` : 'of no mount of its own';
    report({
      code: 'watch',
      severity: 'needs-option',
      pid,
      fd,
      subject: `${link} inode ${Number.parseInt(inode, 16)} of device ${device}`,
      option: 'irmapPaths',
      message: sentence`Descriptor ${fd} of process ${pid} watches a file ${where}, whose name CRIU
        can only find by looking at directories: pass them as ${option('irmapPaths')}`,
    });
  }
}

function checkNamespaceFile(
  { report, tasks, own }: Scan,
  { pid }: Task,
  fd: number,
  link: string,
): void {
  const [, type = '', inode] = namespaceFile.exec(link) ?? [];
  const isOf = (all: object): boolean =>
    Object.entries(all).some(([name, value]) => name === type && value === inode);
  if (isOf(own) || tasks.some(({ namespaces }) => isOf(namespaces))) return;
  report({
    code: 'unsupported-descriptor',
    severity: 'fails',
    pid,
    fd,
    subject: link,
    message: `Descriptor ${fd} of process ${pid} is a ${type} namespace that no process of the tree is in: close it`,
  });
}

function checkLock(
  { report, allowed }: Scan,
  { pid }: Task,
  fd: number,
  link: string,
  info: string,
): void {
  if (allowed.flags.has('file-locks')) return;
  const [, kind, access] = /^lock:\s+\S+\s+(\S+)\s+\S+\s+(\S+)/m.exec(info) ?? [];
  if (kind === undefined) return;
  report({
    code: 'file-lock',
    severity: 'needs-option',
    pid,
    fd,
    subject: link,
    option: 'fileLocks',
    value: true,
    message: sentence`Process ${pid} holds a lock (${kind} ${access ?? ''}) on ${shownPath(link)},
      descriptor ${fd}: pass ${option('fileLocks', true)} if nobody outside shares it`,
  });
}

async function checkPathDescriptor(
  scan: Scan,
  task: Task,
  fd: number,
  path: string,
  info: string,
  terminals: Terminals,
): Promise<void> {
  const { proc, mounts, report } = scan;
  const { pid } = task;
  if (path.startsWith('/memfd:')) return;
  const mountId = mountIdOf(info);
  const mount = mountId === undefined ? undefined : mounts.get(mountId);
  if (mount && isRemote(mount)) return;
  const link = `${pid}/fd/${fd}`;
  const stat = await proc.stat(link);
  if (!stat) return;
  const file: OpenFile = { fd, role: `descriptor ${fd}`, path, mountId, link, stat };
  if (stat.isBlockDevice()) {
    report(unknownDevice(pid, fd, path, 'block'));
    return;
  }
  if (!stat.isCharacterDevice()) {
    if (stat.isFile() || stat.isDirectory() || stat.isSymbolicLink() || stat.isFIFO()) {
      await checkFile(scan, task, file);
    }
    return;
  }
  const device = splitDevice(stat.rdev);
  if (isTerminal(device)) {
    if (scan.allowed.externals.has(`tty[${stat.rdev.toString(16)}:${stat.dev.toString(16)}]`)) {
      return;
    }
    terminals.add({ task, fd, path, device, info });
    await checkFile(scan, task, { ...file, isTerminal: true });
    return;
  }
  const { major, minor } = device;
  const isSaved = major === memMajor || (major === miscMajor && savedMisc.has(minor));
  if (!isSaved) report(unknownDevice(pid, fd, path, `${major}:${minor}`));
  // A tunnel is saved by its name and not by its path.
  else if (!(major === miscMajor && minor === 200)) await checkFile(scan, task, file);
}

function unknownDevice(pid: number, fd: number, path: string, numbers: string): FindingDraft {
  return {
    code: 'unsupported-device',
    severity: 'fails',
    pid,
    fd,
    subject: path,
    message:
      `Descriptor ${fd} of process ${pid} is the device ${shownPath(path)} (${numbers}), which CRIU ` +
      'does not know: close it',
  };
}
