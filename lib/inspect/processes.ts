import { type ArgumentsPlace, readCommandLines } from './command-lines.js';
import { descriptorsOf, type FileTable } from './descriptors.js';
import type { Entry } from './entry.js';
import type { ImageFiles } from './files.js';
import { mappingsOf } from './mappings.js';
import type { Membership } from './namespaces.js';
import { pagemapOf, readPagemap } from './pagemap.js';
import type { ProcessReport } from './report.js';

const states: Readonly<Record<number, ProcessReport['state']>> = {
  1: 'alive',
  2: 'zombie', // dead, before CRIU 3
  3: 'zombie',
  6: 'stopped',
};

/** The page size of most machines, which arguments of a process tell otherwise. */
const defaultPageSize = 4096;
/** The key of the page size in the auxiliary vector. */
const atPageSize = 6;

/** The processes of a checkpoint, and where they are. */
export interface Processes {
  readonly reports: readonly ProcessReport[];
  readonly members: readonly Membership[];
  readonly pageSize: number;
}

/**
 * Reads what the images say of processes.
 *
 * @param chain - The images, and those of earlier pre-dumps, in which memory may be.
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function readProcesses(
  chain: readonly [ImageFiles, ...ImageFiles[]],
  files: FileTable,
): Promise<Processes> {
  const [images] = chain;
  const reports: ProcessReport[] = [];
  const members: Membership[] = [];
  const places: ArgumentsPlace[] = [];
  let pageSize = defaultPageSize;
  for (const task of await images.entries('pstree.img')) {
    const pid = task.number('pid');
    const core = await images.first(`core-${pid}.img`);
    const memory = await images.first(`mm-${pid}.img`);
    const ids = await idsOf(images, pid, core);
    pageSize = pageSizeOf(memory);
    members.push({ pid, ids });
    const [start, end] = [memory.number('mm_arg_start'), memory.number('mm_arg_end')];
    places.push({ pid, start, end, pageSize });
    reports.push(await reportOf(images, files, { task, core, memory, ids, pageSize }));
  }
  const lines = await readCommandLines(chain, places);
  return {
    reports: reports.map((report) => ({ ...report, commandLine: lines.get(report.pid) })),
    members,
    pageSize,
  };
}

/** The entries of a process. */
interface Task {
  readonly task: Entry;
  readonly core: Entry;
  readonly memory: Entry;
  readonly ids: Entry;
  readonly pageSize: number;
}

async function reportOf(
  images: ImageFiles,
  files: FileTable,
  { task, core, memory, ids, pageSize }: Task,
): Promise<ProcessReport> {
  const pid = task.number('pid');
  const fs = await images.first(`fs-${pid}.img`);
  const credentials = core.entry('thread_core').entry('creds');
  const hasCredentials = core.entry('thread_core').has('creds');
  const vmas = memory.has('vmas')
    ? memory.entries('vmas')
    : await images.entries(`vmas-${pid}.img`);
  return {
    pid,
    parentPid: task.number('ppid'),
    processGroup: task.number('pgid'),
    session: task.number('sid'),
    name: core.entry('tc').text('comm'),
    state: states[core.entry('tc').number('task_state')] ?? 'unknown',
    commandLine: undefined,
    executable: files.nameOf(memory.number('exe_file_id')),
    workingDirectory: files.nameOf(fs.number('cwd_id')),
    root: files.nameOf(fs.number('root_id')),
    uid: hasCredentials ? credentials.number('uid') : undefined,
    gid: hasCredentials ? credentials.number('gid') : undefined,
    threads: task.numbers('threads'),
    descriptors: await descriptorsOf(images, ids.number('files_id'), files),
    mappings: mappingsOf(vmas, await readPagemap(images, pagemapOf(pid), pageSize), files),
  };
}

async function idsOf(images: ImageFiles, pid: number, core: Entry): Promise<Entry> {
  return core.has('ids') ? core.entry('ids') : await images.first(`ids-${pid}.img`);
}

/** The size of a page, which is in the auxiliary vector of each process. */
export function pageSizeOf(memory: Entry): number {
  const vector = memory.numbers('mm_saved_auxv');
  for (let at = 0; at + 1 < vector.length; at += 2) {
    const size = vector[at + 1] ?? 0;
    const isSize = Number.isInteger(Math.log2(size)) && size >= 1024 && size <= 2 ** 20;
    if (vector[at] === atPageSize && isSize) return size;
  }
  return defaultPageSize;
}
