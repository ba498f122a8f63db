import { type BigIntStats, constants } from 'node:fs';
import type { FindingCode, FindingDraft } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { splitDevice } from '../../linux/device.js';
import { isRemote, type Mount } from '../../linux/mountinfo.js';
import { shownPath } from '../../linux/paths.js';
import { parseProcessStat } from '../../linux/process-stat.js';
import type { Namespaces, Task } from '../../linux/process-tree.js';
import { forEach, mountIdOf, openFlagsOf } from '../../linux/procfs.js';
import { type Holder, nameOf, type Scan } from '../scan.js';
import { checkFile, type OpenFile, reportTooLong } from './files.js';
import { isTerminal, type Terminals } from './terminals.js';

/** The sockets of the tree: the inode of each and the first descriptor that refers to it. */
export type OwnSockets = Map<string, Holder>;

/** A descriptor of a task, with what the kernel tells of it. */
interface Descriptor extends Holder {
  readonly task: Task;
  /** The target of its link in `/proc/PID/fd`. */
  readonly link: string;
  /** The text of its file in `/proc/PID/fdinfo`. */
  readonly info: string;
}

/** What is gathered from all descriptors of the tree, to be looked at as a whole. */
export interface Gathered {
  readonly sockets: OwnSockets;
  readonly terminals: Terminals;
}

/** The kinds of descriptors without a file that CRIU can save. */
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

/** The devices that CRIU saves beside terminals, as its function `dump_chrdev` has them. */
const memMajor = 1;
const miscMajor = 10;
const tunMinor = 200;
const autofsMinor = 235;
/** PF_EXITING, which marks a process on its way out. */
const exitingFlag = 0x4;
/** O_DIRECT, which has a pipe keep the bounds of what is written to it. */
const packetFlag = 0o40000;
/** The clocks of timers that CRIU saves: real time, monotonic, and since the boot. */
const savedClocks: ReadonlySet<number> = new Set([0, 1, 7]);
/** EPOLLIN. */
const pollIn = 1;
const { O_RDONLY: readOnly, O_WRONLY: writeOnly } = constants;
/** O_ACCMODE. */
const accessMode = 3;
/** O_EXCL, which marks a pidfd of a thread. */
const threadFlag = 0o200;

/** The name of memory that not even the kernel reads (memfd_secret). */
export const secretMemory = '/secretmem';

/** Looks at every descriptor of a process. */
export async function checkDescriptors(
  scan: Scan,
  task: Task,
  gathered: Gathered,
  { savesMaps }: { savesMaps: boolean },
): Promise<void> {
  const { proc, budget } = scan;
  const { pid } = task;
  const names = await proc.names(`${pid}/fd`);
  if (names === undefined) return reportUnreadable(scan, pid);
  const numbers = names.map(Number).sort((a, b) => a - b);
  await forEach(numbers, budget, async (fd) => {
    const [link, info] = await Promise.all([
      proc.link(`${pid}/fd/${fd}`),
      proc.text(`${pid}/fdinfo/${fd}`),
    ]);
    if (link === undefined && (await proc.isTooLong(`${pid}/fd/${fd}`))) {
      reportTooLong(scan, { pid, fd }, `descriptor ${fd}`);
    }
    if (link === undefined || info === undefined) return;
    await checkDescriptor(scan, { task, pid, fd, link, info }, gathered, savesMaps);
  });
}

async function checkDescriptor(
  scan: Scan,
  descriptor: Descriptor,
  { sockets, terminals }: Gathered,
  savesMaps: boolean,
): Promise<void> {
  const { pid, fd, link } = descriptor;
  checkLock(scan, descriptor);
  const socket = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  if (socket !== undefined) {
    noteHolder(sockets, socket, { pid, fd });
  } else if (link.startsWith('anon_inode:') || link.startsWith('pidfd:')) {
    await checkAnonymous(scan, descriptor, savesMaps);
  } else if (namespaceFile.test(link)) checkNamespaceFile(scan, descriptor);
  else if (link.startsWith('/')) await checkPathDescriptor(scan, descriptor, terminals);
  else if (link.startsWith('pipe:')) checkPipe(scan, descriptor);
  else scan.report(unsupported(descriptor));
}

/** Descriptors are read at the same time, so the first one that refers to a socket can come later. */
export function noteHolder(sockets: OwnSockets, inode: string, { pid, fd }: Holder): void {
  const known = sockets.get(inode);
  const isFirst = !known || pid < known.pid || (pid === known.pid && fd < known.fd);
  if (isFirst) sockets.set(inode, { pid, fd });
}

function checkPipe({ report }: Scan, descriptor: Descriptor): void {
  if ((openFlagsOf(descriptor.info) & packetFlag) === 0) return;
  const message = `${nameOf(descriptor)} is a pipe of packets (O_DIRECT), which CRIU does not support: use a plain one`;
  report(failing('unsupported-descriptor', descriptor, message));
}

async function reportUnreadable(scan: Scan, pid: number): Promise<void> {
  if (await isEnding(scan, pid)) return;
  scan.report({
    code: 'unreadable',
    severity: 'notice',
    pid,
    subject: 'descriptors',
    message: `The descriptors of process ${pid} may not be read: ask as root to have them explained`,
  });
}

/** Whether a process is on its way out: its descriptors are closed before it becomes a zombie. */
async function isEnding({ proc }: Scan, pid: number): Promise<boolean> {
  const stat = await proc.text(`${pid}/stat`);
  if (stat === undefined) return true;
  const { isDead, flags } = parseProcessStat(stat);
  return isDead || (flags & exitingFlag) !== 0;
}

/** The finding for a descriptor that makes CRIU fail. */
function failing(
  code: FindingCode,
  { pid, fd, link: subject }: Descriptor,
  message: string,
): FindingDraft {
  return { code, severity: 'fails', pid, fd, subject, message };
}

function unsupported(descriptor: Descriptor): FindingDraft {
  const kind = descriptor.link.replace(/^anon_inode:/, '').replace(/^\[(.*)\]$/, '$1');
  if (kind === 'io_uring') {
    return failing(
      'io-uring',
      descriptor,
      `${nameOf(descriptor)} is an io_uring, which CRIU does not support: have the program do ` +
        'without (Node.js 20: UV_USE_IO_URING=0, newer: libcriu run)',
    );
  }
  return failing(
    'unsupported-descriptor',
    descriptor,
    `${nameOf(descriptor)} is of a kind that CRIU does not support (${shownPath(kind)}): close it`,
  );
}

async function checkAnonymous(
  scan: Scan,
  descriptor: Descriptor,
  savesMaps: boolean,
): Promise<void> {
  const kind = descriptor.link.replace(/^anon_inode:/, '').replace(/^pidfd:.*/, '[pidfd]');
  const isSaved = savedKinds.has(kind) || (kind === 'bpf-map' && savesMaps);
  if (!isSaved) scan.report(unsupported(descriptor));
  if (kind === '[pidfd]') checkPidfd(scan, descriptor);
  if (kind === '[timerfd]') checkTimer(scan, descriptor);
  if (kind === '[eventpoll]') await checkPolled(scan, descriptor);
  if (kind === 'inotify' || kind === '[fanotify]') {
    checkMarkedMounts(scan, descriptor);
    checkWatches(scan, descriptor);
  }
}

function checkTimer({ report }: Scan, descriptor: Descriptor): void {
  const clock = Number(/^clockid:\s*(\d+)/m.exec(descriptor.info)?.[1] ?? 0);
  if (savedClocks.has(clock)) return;
  const message = `${nameOf(descriptor)} is a timer of a clock that CRIU does not support (number ${clock}): use one that wakes no machine`;
  report(failing('unsupported-descriptor', descriptor, message));
}

/** An epoll goes on watching a file whose descriptor is closed while another process has it open. */
async function checkPolled({ report, proc }: Scan, descriptor: Descriptor): Promise<void> {
  const { pid, info } = descriptor;
  const watched = [
    ...info.matchAll(/^tfd:\s*(\d+) events:\s*([0-9a-f]+)\b.*?\bino:([0-9a-f]+)\b/gm),
  ];
  for (const [, fd = '', events = '', hex = ''] of watched) {
    const inode = BigInt(`0x${hex}`);
    if ((await proc.stat(`${pid}/fd/${fd}`))?.ino === inode) continue;
    const isRead = (Number.parseInt(events, 16) & pollIn) !== 0;
    const names = (await proc.names(`${pid}/fd`)) ?? [];
    const duplicates = await Promise.all(
      names.map(async (name) => {
        const other = await proc.stat(`${pid}/fd/${name}`);
        if (other?.ino !== inode) return false;
        // Both ends of a pipe have the same inode.
        const access = openFlagsOf((await proc.text(`${pid}/fdinfo/${name}`)) ?? '') & accessMode;
        return !other.isFIFO() || access === (isRead ? readOnly : writeOnly);
      }),
    );
    if (duplicates.includes(true)) continue;
    const message = `${nameOf(descriptor)} watches what was descriptor ${fd} (epoll), which process ${pid} has closed: remove it before it is closed`;
    report(failing('unsupported-descriptor', descriptor, message));
    return;
  }
}

function checkPidfd({ report, tasks }: Scan, descriptor: Descriptor): void {
  const { info } = descriptor;
  const target = Number(/^Pid:\s*(-?\d+)$/m.exec(info)?.[1] ?? -1);
  if ((openFlagsOf(info) & threadFlag) !== 0) {
    const message = `${nameOf(descriptor)} is the pidfd of a thread, which CRIU does not support: close it`;
    report(failing('unsupported-descriptor', descriptor, message));
    return;
  }
  // The process of a pidfd that says -1 has ended, which CRIU can save.
  if (target === -1 || tasks.some(({ pid }) => pid === target)) return;
  const message = `${nameOf(descriptor)} is the pidfd of process ${target}, which is not in the tree: close it`;
  report(failing('unsupported-descriptor', descriptor, message));
}

/** A whole mount that is watched has to be one of the tree's. */
function checkMarkedMounts({ report, mounts }: Scan, descriptor: Descriptor): void {
  const { pid, fd, link, info } = descriptor;
  for (const [, hex = ''] of info.matchAll(/^fanotify mnt_id:([0-9a-f]+)/gm)) {
    const id = Number.parseInt(hex, 16);
    if (mounts.has(id)) continue;
    report({
      code: 'watch',
      severity: 'fails',
      pid,
      fd,
      subject: `${link} mount ${id}`,
      message: `${nameOf(descriptor)} (fanotify) watches a mount that is not in its mount namespace: close it`,
    });
  }
}

/** The kernel tells a watched file by device and inode, and CRIU needs a mount that has it. */
function checkWatches(scan: Scan, descriptor: Descriptor): void {
  const { report, mounts, allowed } = scan;
  const { pid, fd, link, info } = descriptor;
  for (const [, inode = '', sdev = ''] of info.matchAll(/\bino:([0-9a-f]+) sdev:([0-9a-f]+)/g)) {
    const dev = watchedDevice(sdev);
    const isOnDevice = (mount: Mount): boolean => mount.dev === dev;
    const mount = [...mounts.values()].find(isOnDevice);
    if (isWithoutHandles(scan, mount, dev)) {
      const message = `${nameOf(descriptor)} watches a file of ${mount?.type ?? 'proc'}, which CRIU cannot find again: remove the watch`;
      report({
        ...failing('watch', descriptor, message),
        subject: `${link} inode ${Number.parseInt(inode, 16)} of device ${dev}`,
      });
      return;
    }
    if (allowed.scansPaths || (mount && mount.type !== 'overlay')) continue;
    const where = mount ? `of an ${mount.type} file system` : 'of no mount of its own';
    report({
      code: 'watch',
      severity: 'needs-option',
      pid,
      fd,
      subject: `${link} inode ${Number.parseInt(inode, 16)} of device ${dev}`,
      option: 'irmapPaths',
      message: sentence`${nameOf(descriptor)} watches a file ${where}, whose name CRIU can only find by
        looking at directories: pass them as ${option('irmapPaths')}`,
    });
  }
}

/** File systems whose files have no handle that CRIU could open. */
const withoutHandles: ReadonlySet<string> = new Set(['proc', 'devpts']);

function isWithoutHandles({ hostMounts }: Scan, mount: Mount | undefined, dev: string): boolean {
  const type = mount?.type ?? hostMounts.find((other) => other.dev === dev)?.type;
  return type !== undefined && withoutHandles.has(type);
}

/** The device of a watched file, which the kernel packs with twenty bits for the minor. */
function watchedDevice(hex: string): string {
  const packed = Number.parseInt(hex, 16);
  return `${packed >>> 20}:${packed & 0xfffff}`;
}

function checkNamespaceFile({ report, tasks, own }: Scan, descriptor: Descriptor): void {
  const [, type = '', inode] = namespaceFile.exec(descriptor.link) ?? [];
  const hasNamespace = (namespaces: Namespaces): boolean =>
    Object.entries(namespaces).some(([name, value]) => name === type && value === inode);
  if (hasNamespace(own) || tasks.some(({ namespaces }) => hasNamespace(namespaces))) return;
  const message = `${nameOf(descriptor)} is a ${type} namespace that no process of the tree is in: close it`;
  report(failing('unsupported-descriptor', descriptor, message));
}

function checkLock({ report, allowed }: Scan, { pid, fd, link, info }: Descriptor): void {
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
  descriptor: Descriptor,
  terminals: Terminals,
): Promise<void> {
  const { task, pid, fd, link: path, info } = descriptor;
  if (path.startsWith('/memfd:')) return;
  if (path.startsWith(secretMemory)) return scan.report(unsupported(descriptor));
  const mountId = mountIdOf(info);
  const mount = mountId === undefined ? undefined : scan.mounts.get(mountId);
  // A stat would wait for a server that does not answer.
  if (mount && isRemote(mount)) return;
  const link = `${pid}/fd/${fd}`;
  const stat = await scan.proc.stat(link);
  if (!stat) return;
  const file: OpenFile = { fd, role: `descriptor ${fd}`, path, mountId, link, stat };
  if (stat.isBlockDevice()) scan.report(unknownDevice(descriptor, 'block'));
  else if (stat.isCharacterDevice()) await checkDevice(scan, descriptor, file, stat, terminals);
  else if (stat.isSocket()) {
    const message = `${nameOf(descriptor)} is the name of a socket (O_PATH), which CRIU does not support: close it`;
    scan.report(failing('unsupported-descriptor', descriptor, message));
  } else if (stat.isFile() || stat.isDirectory() || stat.isSymbolicLink() || stat.isFIFO()) {
    await checkFile(scan, task, file);
  }
}

async function checkDevice(
  scan: Scan,
  descriptor: Descriptor,
  file: OpenFile,
  { rdev, dev }: BigIntStats,
  terminals: Terminals,
): Promise<void> {
  const { task, fd, link: path, info } = descriptor;
  const device = splitDevice(rdev);
  if (isTerminal(device)) {
    if (scan.allowed.externals.has(`tty[${rdev.toString(16)}:${dev.toString(16)}]`)) return;
    terminals.add({ task, fd, path, device, info });
    await checkFile(scan, task, { ...file, isTerminal: true });
    return;
  }
  const { major, minor } = device;
  const isTunnel = major === miscMajor && minor === tunMinor;
  const isAutofs = major === miscMajor && minor === autofsMinor;
  if (major === memMajor || isAutofs) await checkFile(scan, task, file);
  // CRIU saves a tunnel by its name and not by its path.
  else if (isTunnel) checkTunnel(scan, descriptor);
  else scan.report(unknownDevice(descriptor, `${major}:${minor}`));
}

/** A network device can only be saved with the network namespace that it is in. */
function checkTunnel({ report, root, own }: Scan, descriptor: Descriptor): void {
  const name = /^iff:\s*(\S+)/m.exec(descriptor.info)?.[1];
  if (name === undefined || root.namespaces.net !== own.net) return;
  const message = `${nameOf(descriptor)} is the tunnel ${name} of the host's network namespace, which CRIU saves only of one of its own: start it in a network namespace`;
  report(failing('unsupported-device', descriptor, message));
}

function unknownDevice(descriptor: Descriptor, numbers: string): FindingDraft {
  const device = `${shownPath(descriptor.link)} (${numbers})`;
  const message = `${nameOf(descriptor)} is the device ${device}, which CRIU does not know: close it`;
  return failing('unsupported-device', descriptor, message);
}
