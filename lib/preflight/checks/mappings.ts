import { option, sentence } from '../../base/sentence.js';
import { splitDevice } from '../../linux/device.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import { forEach } from '../../linux/procfs.js';
import type { Scan } from '../scan.js';
import { checkFile } from './files.js';

/** A file that is mapped, by the first range of addresses where it is. */
export interface Mapping {
  readonly range: string;
  readonly path: string;
}

/** What `/proc/PID/maps` says, one line for each file. */
export function parseMaps(text: string): Mapping[] {
  const found = new Map<string, Mapping>();
  for (const line of text.split('\n')) {
    const match = /^(\S+) \S+ \S+ (\S+) (\d+) +(.+)$/.exec(line);
    if (!match) continue;
    const [, range = '', dev = '', inode = '', path = ''] = match;
    const key = inode === '0' ? path : `${dev} ${inode}`;
    // Leading zeros are not in the names below map_files.
    const name = range
      .split('-')
      .map((at) => at.replace(/^0+(?=.)/, ''))
      .join('-');
    if (!found.has(key)) found.set(key, { range: name, path: path.replaceAll('\\012', '\n') });
  }
  return [...found.values()];
}

/** Memory without a file of its own, that CRIU saves as such. */
const ownMemory = /^\/(memfd:|dev\/zero \(deleted\)|anon_hugepage|\[aio\])/;
const zeroDevice = { major: 1, minor: 5 };

/** The program, the working directory and everything that is mapped. */
export async function checkMappings(scan: Scan, task: Task): Promise<void> {
  const { proc, budget, report, root, own, allowed } = scan;
  const { pid } = task;
  const text = await proc.text(`${pid}/maps`);
  if (text === undefined || text === '') return;
  for (const [name, role] of [
    ['cwd', 'the working directory'],
    ['root', 'the root directory'],
    ['exe', 'the program'],
  ] as const) {
    const path = await proc.link(`${pid}/${name}`);
    if (path === undefined) continue;
    const mountId = await proc.mountId(`${pid}/${name}`);
    await checkFile(scan, task, { role, path, mountId, link: `${pid}/${name}` });
  }
  await forEach(parseMaps(text), budget, async ({ range, path }) => {
    if (path.startsWith('anon_inode:')) {
      const isUring = path.includes('io_uring');
      report({
        code: isUring ? 'io-uring' : 'unsupported-mapping',
        severity: 'fails',
        pid,
        subject: path,
        message: isUring
          ? `Process ${pid} has an io_uring mapped, which CRIU does not support: have the program ` +
            'do without (Node.js 20: UV_USE_IO_URING=0, newer: libcriu run)'
          : `Process ${pid} has ${shownPath(path)} mapped, which CRIU does not support: unmap it`,
      });
    } else if (path === '[uprobes]') {
      if (allowed.flags.has('allow-uprobes')) return;
      report({
        code: 'unsupported-mapping',
        severity: 'fails',
        pid,
        subject: path,
        message: sentence`Process ${pid} is being probed (uprobes): end the tracing, or pass a
          ${option('configFile')} with the line allow-uprobes`,
      });
    } else if (path.startsWith('/SYSV')) {
      if (root.namespaces.ipc !== own.ipc) return;
      report({
        code: 'sysv-shm',
        severity: 'fails',
        pid,
        subject: path.replace(/ \(deleted\)$/, ''),
        message:
          `Process ${pid} has System V shared memory (${path.replace(/ \(deleted\)$/, '')}) of the ` +
          "host's IPC namespace, which CRIU saves only of one of its own: start it in an IPC namespace",
      });
    } else if (path.startsWith('/') && !ownMemory.test(path)) {
      await checkMappedFile(scan, task, { range, path });
    }
  });
}

async function checkMappedFile(scan: Scan, task: Task, { range, path }: Mapping): Promise<void> {
  const { proc, report } = scan;
  const { pid } = task;
  const link = `${pid}/map_files/${range}`;
  const stat = await proc.stat(link);
  if (!stat) return;
  const { major, minor } = splitDevice(stat.rdev);
  const isZero = major === zeroDevice.major && minor === zeroDevice.minor;
  if (!stat.isFile() && !(stat.isCharacterDevice() && isZero)) {
    report({
      code: 'unsupported-mapping',
      severity: 'fails',
      pid,
      subject: path,
      message: `Process ${pid} has the device ${shownPath(path)} mapped, which CRIU does not support: unmap it`,
    });
    return;
  }
  const mountId = await proc.mountId(link);
  await checkFile(scan, task, { role: 'a mapped file', path, mountId, link, stat });
}
