import { readFile } from '../../base/files.js';
import { type Finding, makeFinding } from '../../base/finding.js';
import { option as named, sentence } from '../../base/sentence.js';
import type { Criu } from '../../criu/criu.js';
import { isOnTmpfs, kernelDataDirectory } from '../../criu/kernel-data.js';
import { capabilitySet, hasCapability } from '../../linux/capabilities.js';
import type { Namespaces, Task } from '../../linux/process-tree.js';
import type { Procfs } from '../../linux/procfs.js';
import { isUncounted, spaceAt } from '../../linux/space.js';
import { reasonOfUnknown } from '../../options/since.js';
import type { DumpOptions } from '../../options/types.js';
import type { Scan } from '../scan.js';

/** Older than any that knows all options. */
const oldest = { major: 0, minor: 0, sublevel: 0 };

/** CRIU asks for pipes of this size when pages are served from them. */
export const wantedPipeSize: number = 4 * 1024 * 1024;

/** What can be told of a criu program without running it. */
export interface Program {
  /** The directory of its kernel-data cache. */
  cacheDirectory: string | undefined;
  savesBpfMaps: boolean;
}

/** Looks into the criu program; undefined when there is none, or only a service. */
export async function readProgram(criu: Criu): Promise<Program | undefined> {
  try {
    const { binary, service } = await criu.installation();
    if (service !== undefined) return undefined;
    const program = await readFile(binary);
    return {
      cacheDirectory: kernelDataDirectory(program),
      savesBpfMaps: program.includes('libbpf.so'),
    };
  } catch {
    return undefined;
  }
}

/** Looks for what is missing on this side and not in the tasks: capabilities, features, space. */
export async function checkMachine(
  scan: Scan,
  criu: Criu,
  program: Program | undefined,
  options: DumpOptions & { preDump?: boolean },
): Promise<void> {
  await checkCapabilities(scan);
  await checkVersion(scan, criu, options);
  await checkFeatures(scan, criu, options);
  await checkLazyPages(scan);
  await checkCache(scan, program);
  await checkSpace(scan, options);
}

async function checkCapabilities(scan: Scan): Promise<void> {
  const uid = process.geteuid?.() ?? -1;
  if (uid !== 0) {
    reportMissing(
      scan,
      'root',
      `This process runs as user ${uid} and not as root: start it as root`,
    );
    return;
  }
  const effective = await effectiveCapabilities(scan.proc);
  checkAdmin(scan, effective);
  checkPtrace(scan, effective, uid);
}

function reportMissing({ report, root }: Scan, subject: string, message: string): void {
  report({ code: 'capability', severity: 'fails', pid: root.pid, subject, message });
}

async function effectiveCapabilities(proc: Procfs): Promise<bigint> {
  return capabilitySet((await proc.text('self/status')) ?? '', 'CapEff');
}

function checkAdmin(scan: Scan, effective: bigint): void {
  if (hasCapability(effective, 'CAP_SYS_ADMIN')) return;
  if (!hasCapability(effective, 'CAP_CHECKPOINT_RESTORE')) {
    const message =
      'This process has neither CAP_SYS_ADMIN nor CAP_CHECKPOINT_RESTORE, one of which CRIU needs: ' +
      'give it the first';
    reportMissing(scan, 'CAP_SYS_ADMIN', message);
    return;
  }
  const { root, own } = scan;
  const [type] =
    Object.entries(root.namespaces).find(
      ([name, inode]) => inode !== own[name as keyof Namespaces],
    ) ?? [];
  if (type === undefined) return;
  const message =
    `This process lacks CAP_SYS_ADMIN, without which CRIU cannot enter the ${type} namespace of ` +
    `process ${root.pid}: give it that capability`;
  reportMissing(scan, 'CAP_SYS_ADMIN', message);
}

function checkPtrace(scan: Scan, effective: bigint, uid: number): void {
  if (hasCapability(effective, 'CAP_SYS_PTRACE')) return;
  // Without it, only tasks of the same user that may do no more than we can be stopped.
  const stronger = scan.tasks.find(
    (task) => task.uid !== uid || (task.permitted & ~effective) !== 0n,
  );
  if (!stronger) return;
  const message =
    `This process lacks CAP_SYS_PTRACE, and process ${stronger.pid} is another user's or may do more ` +
    'than it: give it that capability';
  reportMissing(scan, 'CAP_SYS_PTRACE', message);
}

/** Options that the criu is too old for. It is asked for its version when one of them needs that. */
async function checkVersion(
  { root, report }: Scan,
  criu: Criu,
  options: DumpOptions,
): Promise<void> {
  if (reasonOfUnknown(options, oldest) === undefined) return;
  const version = await criu.version().catch(() => undefined);
  const reason = version && reasonOfUnknown(options, version);
  if (version === undefined || reason === undefined) return;
  const { major, minor } = version;
  report({
    code: 'feature',
    severity: 'fails',
    pid: root.pid,
    subject: 'version',
    message: sentence`criu ${major}.${minor} ${reason}`,
  });
}

async function checkFeatures(
  { root, report }: Scan,
  criu: Criu,
  { preDump, parentPath, trackMem, lazyPages }: DumpOptions & { preDump?: boolean },
): Promise<void> {
  const asked = [
    ['preDump', 'memTrack', preDump === true],
    ['parentPath', 'memTrack', parentPath !== undefined],
    ['trackMem', 'memTrack', trackMem === true],
    ['lazyPages', 'lazyPages', lazyPages === true],
  ] as const;
  for (const [option, feature, isAsked] of asked) {
    if (!isAsked) continue;
    const features = await criu.features().catch(() => undefined);
    if (features === undefined || features[feature]) continue;
    const what = feature === 'memTrack' ? 'memory tracking (soft-dirty)' : 'userfaultfd';
    report({
      code: 'feature',
      severity: 'fails',
      pid: root.pid,
      subject: what,
      message: sentence`CRIU and this kernel lack ${what}: do without ${named(option)}`,
    });
  }
}

async function checkLazyPages({ proc, tasks, report, allowed }: Scan): Promise<void> {
  if (!allowed.flags.has('lazy-pages')) return;
  const finding = await findSmallPipes(proc, async () => tasks);
  if (finding) report({ ...finding, message: finding.sentence });
}

/**
 * Looks whether CRIU's pipes will be too small to serve the memory of these tasks lazily.
 *
 * @param readTasks - Reads the tasks, the root first. It is not called where pipes can be large enough.
 * @returns undefined when they will not be.
 */
export async function findSmallPipes(
  proc: Procfs,
  readTasks: () => Promise<readonly Task[]>,
): Promise<Finding | undefined> {
  if (hasCapability(await effectiveCapabilities(proc), 'CAP_SYS_RESOURCE')) return undefined;
  const size = Number(await proc.text('sys/fs/pipe-max-size'));
  if (!(size < wantedPipeSize)) return undefined;
  const tasks = await readTasks();
  const [root] = tasks;
  // Memory that fits into the pipes that CRIU gets is served all the same.
  if (!root || tasks.every(({ privateBytes }) => privateBytes <= size)) return undefined;
  return makeFinding({
    code: 'lazy-pages-pipe',
    severity: 'fails',
    pid: root.pid,
    subject: 'fs.pipe-max-size',
    message:
      `This process lacks CAP_SYS_RESOURCE and fs.pipe-max-size is ${size}, too little for lazy ` +
      `pages of a large process: raise it to ${wantedPipeSize} with sysctl`,
  });
}

async function checkCache({ root, report }: Scan, program: Program | undefined): Promise<void> {
  const directory = program?.cacheDirectory;
  if (directory === undefined) return;
  // One that is missing on a tmpfs is made before criu is started.
  if (await isOnTmpfs(directory)) return;
  report({
    code: 'kernel-data-cache',
    severity: 'notice',
    pid: root.pid,
    subject: directory,
    message:
      `CRIU keeps what it knows of the kernel only on a tmpfs, and ${directory} is none, which costs ` +
      'each dump some 25 ms: mount a tmpfs there',
  });
}

async function checkSpace(
  { tasks, root, report, allowed }: Scan,
  { imagePath = 'checkpoint', pageServer }: DumpOptions,
): Promise<void> {
  if (pageServer !== undefined || allowed.flags.has('lazy-pages')) return;
  const needed = tasks.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
  const space = await spaceAt(imagePath);
  if (space === undefined || isUncounted(space.stats)) return;
  const { path, stats } = space;
  const free = stats.bfree * stats.bsize;
  if (needed <= free) return;
  report({
    code: 'no-space',
    severity: 'fails',
    pid: root.pid,
    subject: path,
    message: sentence`The tasks have ${mebibytes(needed)} MiB of memory of their own and the file
      system of ${named('imagePath')} (${path}) has ${mebibytes(free)} MiB left: give another
      ${named('imagePath')}`,
  });
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}
