import { option, sentence } from '../../base/sentence.js';
import { isSameDevice, splitDevice } from '../../linux/device.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import { forEach } from '../../linux/procfs.js';
import type { Scan } from '../scan.js';
import { secretMemory } from './descriptors.js';
import { checkFile, reportTooLong } from './files.js';

/** A file that is mapped, by the first range of addresses where it is. */
interface Mapping {
  readonly range: string;
  readonly path: string;
}

/** Parses `/proc/PID/maps`, of which it takes one line for each file. */
export function parseMaps(text: string): Mapping[] {
  const found = new Map<string, Mapping>();
  for (const line of text.split('\n')) {
    const match = /^(\S+) \S+ \S+ (\S+) (\d+) +(.+)$/.exec(line);
    if (!match) continue;
    const [, range = '', dev = '', inode = '', path = ''] = match;
    const key = inode === '0' ? path : `${dev} ${inode}`;
    // The names below map_files have no leading zeros.
    const name = range
      .split('-')
      .map((at) => at.replace(/^0+(?=.)/, ''))
      .join('-');
    if (!found.has(key)) found.set(key, { range: name, path: path.replaceAll('\\012', '\n') });
  }
  return [...found.values()];
}

/** The names of memory without a file of its own, which CRIU saves as such. */
const ownMemory = /^\/(memfd:|dev\/zero \(deleted\)|anon_hugepage|\[aio\])/;
/** The device `/dev/zero`. */
const zeroDevice = { major: 1, minor: 5 };

const deleted = / \(deleted\)$/;
/** The links of `/proc/PID` to files that a process is in, and how to speak of them. */
const placeLinks = [
  ['cwd', 'the working directory'],
  ['root', 'the root directory'],
  ['exe', 'the program'],
] as const;

/** Looks at the program, the directories that a process is in, and everything that is mapped. */
export async function checkMappings(scan: Scan, task: Task): Promise<void> {
  const { proc, budget } = scan;
  const { pid } = task;
  const text = await proc.text(`${pid}/maps`);
  if (text === undefined || text === '') return;
  for (const [name, role] of placeLinks) {
    const link = `${pid}/${name}`;
    const path = await proc.link(link);
    if (path === undefined && (await proc.isTooLong(link))) reportTooLong(scan, { pid }, role);
    if (path === undefined) continue;
    await checkFile(scan, task, { role, path, mountId: await proc.mountId(link), link });
  }
  await forEach(parseMaps(text), budget, (mapping) => checkMapping(scan, task, mapping));
}

async function checkMapping(scan: Scan, task: Task, mapping: Mapping): Promise<void> {
  const { path } = mapping;
  if (path.startsWith('anon_inode:')) checkAnonymous(scan, task, path);
  else if (path.startsWith(secretMemory)) {
    scan.report({
      code: 'unsupported-mapping',
      severity: 'fails',
      pid: task.pid,
      subject: path,
      message: `Process ${task.pid} has secret memory (memfd_secret), which CRIU does not support: unmap it`,
    });
  } else if (path === '[uprobes]') checkProbes(scan, task, path);
  else if (path.startsWith('/SYSV')) checkSharedMemory(scan, task, path.replace(deleted, ''));
  else if (path.startsWith('/') && !ownMemory.test(path)) {
    await checkMappedFile(scan, task, mapping);
  }
}

function checkAnonymous({ report }: Scan, { pid }: Task, path: string): void {
  const isUring = path.includes('io_uring');
  report({
    code: isUring ? 'io-uring' : 'unsupported-mapping',
    severity: 'fails',
    pid,
    subject: path,
    message: isUring
      ? `Process ${pid} has an io_uring mapped, which CRIU does not support: have the program ` +
        'do without (Node.js 20: UV_USE_IO_URING=0, newer: libcriu run)'
      : unsupported(pid, shownPath(path)),
  });
}

function unsupported(pid: number, what: string): string {
  return `Process ${pid} has ${what} mapped, which CRIU does not support: unmap it`;
}

function checkProbes({ report, allowed }: Scan, { pid }: Task, path: string): void {
  if (allowed.flags.has('allow-uprobes')) return;
  report({
    code: 'unsupported-mapping',
    severity: 'fails',
    pid,
    subject: path,
    message: sentence`Process ${pid} is being probed (uprobes): end the tracing, or pass a
      ${option('configFile')} with the line allow-uprobes`,
  });
}

/** System V shared memory belongs to an IPC namespace, which CRIU saves only when it is the tree's. */
function checkSharedMemory({ report, root, own }: Scan, { pid }: Task, path: string): void {
  if (root.namespaces.ipc !== own.ipc) return;
  report({
    code: 'sysv-shm',
    severity: 'fails',
    pid,
    subject: path,
    message:
      `Process ${pid} has System V shared memory (${path}) of the host's IPC namespace, which CRIU ` +
      'saves only of one of its own: start it in an IPC namespace',
  });
}

async function checkMappedFile(scan: Scan, task: Task, { range, path }: Mapping): Promise<void> {
  const { proc, report } = scan;
  const { pid } = task;
  const link = `${pid}/map_files/${range}`;
  const stat = await proc.stat(link);
  if (!stat) return;
  const isZero = stat.isCharacterDevice() && isSameDevice(splitDevice(stat.rdev), zeroDevice);
  if (!stat.isFile() && !isZero) {
    report({
      code: 'unsupported-mapping',
      severity: 'fails',
      pid,
      subject: path,
      message: unsupported(pid, `the device ${shownPath(path)}`),
    });
    return;
  }
  const mountId = await proc.mountId(link);
  await checkFile(scan, task, { role: 'a mapped file', path, mountId, link, stat });
}
