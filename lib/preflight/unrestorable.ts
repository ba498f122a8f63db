// Looked at before each dump that ends the tasks. Files of /proc are read synchronously: they are in
// the kernel's memory, and a turn of libuv's pool takes longer than reading them.
import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Finding, type FindingDraft, makeFinding } from '../base/finding.js';
import { groupBy, parseMountinfo } from '../linux/mountinfo.js';
import { shownPath } from '../linux/paths.js';
import { parseProcessStat } from '../linux/process-stat.js';
import { innerPid } from '../linux/process-tree.js';
import { fileSeals } from '../linux/seals.js';
import { readUnixSockets, type UnixSocket } from '../linux/unix-sockets.js';
import type { Allowed } from './allowed.js';
import { isExternal } from './checks/mounts.js';
import { judgeUnix } from './checks/unix.js';

/** After so many files the event loop gets its turn. */
const filesPerTurn = 256;
/** `PROC_SUPER_MAGIC`. */
const procMagic = 0x9fa0;
/** The scheduling policies that CRIU sets at restore: other, FIFO, RR, batch and idle. */
const restoredPolicies: ReadonlySet<number> = new Set([0, 1, 2, 3, 5]);
const policyNames: Readonly<Record<number, string>> = { 6: 'SCHED_DEADLINE', 7: 'SCHED_EXT' };

/**
 * Finds what CRIU saves without a word and refuses to bring back: after a dump that ends the tasks,
 * they would be lost. Tasks and files that vanish meanwhile are left out.
 *
 * @param root - The root of the tree.
 * @param allowed - Gives what the request allows; asked for only when something depends on it.
 */
export async function findUnrestorable(
  root: number,
  allowed: () => Promise<Allowed>,
  procRoot = '/proc',
): Promise<Finding[]> {
  const look = new Look(procRoot);
  for (const pid of look.tree(root)) {
    look.checkPolicies(pid);
    look.checkDirectories(pid);
    for (const fd of look.names(`${pid}/fd`)) {
      if (look.isTurnOver()) await nextTurn();
      look.checkDescriptor(pid, Number(fd));
    }
    look.checkSealed(pid);
    await look.checkMounts(pid, root, allowed);
  }
  await look.checkSockets();
  return look.findings;
}

/** A process and all below it, without what ends meanwhile. */
export function treeOf(root: number): number[] {
  return new Look('/proc').tree(root);
}

class Look {
  readonly findings: Finding[] = [];
  readonly #procRoot: string;
  readonly #namespaces: Set<string>;
  /** The sockets of the tree by their inodes, and who has them. */
  readonly #sockets = new Map<string, { pid: number; fd: number }>();
  #files = 0;

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
    // CRIU saves no mounts of the namespace that it is in itself.
    this.#namespaces = new Set([this.#link('self/ns/mnt') ?? '']);
  }

  /** Whether the event loop should have its turn. */
  isTurnOver(): boolean {
    if (this.#files < filesPerTurn) return false;
    this.#files = 0;
    return true;
  }

  /** A process and all below it. */
  tree(root: number): number[] {
    const pids = [root];
    // The loop comes to those that it adds.
    for (const pid of pids) {
      for (const tid of this.names(`${pid}/task`)) {
        const children = this.#text(`${pid}/task/${tid}/children`) ?? '';
        pids.push(...children.split(' ').filter(Boolean).map(Number));
      }
    }
    return pids;
  }

  checkPolicies(pid: number): void {
    for (const tid of this.names(`${pid}/task`)) {
      const stat = this.#text(`${pid}/task/${tid}/stat`);
      if (stat === undefined) continue;
      const { policy, isDead } = parseProcessStat(stat);
      if (isDead || Number.isNaN(policy) || restoredPolicies.has(policy)) continue;
      const name = policyNames[policy] ?? `number ${policy}`;
      this.#report({
        code: 'scheduling-policy',
        pid,
        subject: `thread ${tid}`,
        message:
          `Thread ${tid} of process ${pid} has the scheduling policy ${name}, which CRIU does ` +
          'not restore: give it another one (chrt)',
      });
      return;
    }
  }

  checkDirectories(pid: number): void {
    for (const [name, role] of [
      ['cwd', 'The working directory'],
      ['root', 'The root directory'],
    ] as const) {
      const path = this.#link(`${pid}/${name}`);
      const why = path === undefined ? undefined : this.#whyGone(pid, name, path, undefined);
      if (path === undefined || why === undefined) continue;
      this.#report({
        code: 'proc-file',
        pid,
        subject: path,
        message: `${role} of process ${pid} is ${shownPath(path)}, ${why}: have it change to another one`,
      });
    }
  }

  checkDescriptor(pid: number, fd: number): void {
    const path = this.#link(`${pid}/fd/${fd}`);
    const socket = /^socket:\[(\d+)\]$/.exec(path ?? '')?.[1];
    if (socket !== undefined && !this.#sockets.has(socket)) this.#sockets.set(socket, { pid, fd });
    const why = path === undefined ? undefined : this.#whyGone(pid, `fd/${fd}`, path, fd);
    if (path === undefined || why === undefined) return;
    this.#report({
      code: 'proc-file',
      pid,
      fd,
      subject: path,
      message: `Descriptor ${fd} of process ${pid} is ${shownPath(path)}, ${why}: close it`,
    });
  }

  /** CRIU maps memory first and seals it then, which the kernel refuses for what others could write. */
  checkSealed(pid: number): void {
    const text = this.#text(`${pid}/maps`) ?? '';
    if (!text.includes(' /memfd:')) return;
    for (const [, from = '', to = '', name = ''] of text.matchAll(sharedMemfd)) {
      const range = `${trimZeros(from)}-${trimZeros(to)}`;
      const seals = fileSeals(`${this.#procRoot}/${pid}/map_files/${range}`);
      if (seals === undefined || (seals & sealWrite) === 0) continue;
      this.#report({
        code: 'sealed-mapping',
        pid,
        subject: `/memfd:${name}`,
        message:
          `Process ${pid} has ${shownPath(`memfd:${name}`)} mapped, which is sealed against writing ` +
          '(F_SEAL_WRITE), and which CRIU cannot map and seal again: unmap it, or map it privately',
      });
      return;
    }
  }

  /** Why a file of `/proc` cannot be opened when CRIU restores its holder. */
  #whyGone(pid: number, link: string, path: string, fd: number | undefined): string | undefined {
    const match = procFile.exec(path);
    if (match === null || !this.#isOfProc(`${pid}/${link}`)) return undefined;
    const { prefix, owner = '', thread, described, deleted } = match.groups ?? {};
    if (thread !== undefined) {
      if (thread === owner) return undefined;
      return 'of a thread, which is not there yet when CRIU opens it at restore';
    }
    if (described !== undefined) {
      if (fd === undefined || owner !== String(this.#innerPid(pid))) return undefined;
      return this.#comesBefore(pid, described, fd)
        ? undefined
        : 'of a descriptor that is not there when CRIU opens it at restore';
    }
    // CRIU takes the name of such a directory for a longer one, unless its process has ended. Those
    // that are open have their names elsewhere and come back.
    if (fd !== undefined || prefix !== '/proc' || deleted !== undefined) return undefined;
    return 'the directory of a process, which CRIU does not find again at restore';
  }

  /** Whether a descriptor is there when another one is opened, as far as can be known. */
  #comesBefore(pid: number, described: string, fd: number): boolean {
    const path = this.#link(`${pid}/fd/${described}`);
    if (path === undefined || Number(described) < fd) return path !== undefined;
    // A duplicate comes with the lowest that it was made of.
    return this.names(`${pid}/fd`).some(
      (other) => Number(other) < fd && this.#link(`${pid}/fd/${other}`) === path,
    );
  }

  #isOfProc(path: string): boolean {
    try {
      return statfsSync(`${this.#procRoot}/${path}`).type === procMagic;
    } catch {
      return false;
    }
  }

  #innerPid(pid: number): number {
    return innerPid(this.#text(`${pid}/status`) ?? '') ?? pid;
  }

  /** CRIU makes the source of a bind mount anew where it was deleted, which an external one has. */
  async checkMounts(pid: number, root: number, allowed: () => Promise<Allowed>): Promise<void> {
    const inode = this.#link(`${pid}/ns/mnt`);
    if (inode === undefined || this.#namespaces.has(inode)) return;
    this.#namespaces.add(inode);
    const text = this.#text(`${pid}/mountinfo`) ?? '';
    if (!text.includes('//deleted ')) return;
    const mounts = parseMountinfo(text);
    const host = groupBy(parseMountinfo(this.#text('self/mountinfo') ?? ''), ({ dev }) => dev);
    const isRootTasks = inode === this.#link(`${root}/ns/mnt`);
    const asked = await allowed();
    for (const mount of mounts) {
      if (!mount.isDeleted || !isExternal(mount, isRootTasks, host, asked)) continue;
      const { mountpoint, root: source } = mount;
      this.#report({
        code: 'mount-deleted',
        pid,
        subject: mountpoint,
        message:
          `What is mounted at ${shownPath(mountpoint)} of process ${pid} was removed or replaced ` +
          `outside (${shownPath(source)}), so that CRIU does not mount it again: mount what is there now`,
      });
    }
  }

  /** CRIU connects a socket that nobody has accepted to one that it restores, too. */
  async checkSockets(): Promise<void> {
    const all = await this.#unixSockets();
    for (const [inode, { pid, fd }] of this.#sockets) {
      const socket = all.get(inode);
      const view = { all, ours: this.#sockets };
      if (socket === undefined || judgeUnix(socket, view) !== 'waiting-outside') continue;
      this.#report({
        code: 'unix-in-flight',
        pid,
        fd,
        subject: `socket:[${inode}]`,
        message:
          `Descriptor ${fd} of process ${pid} is a unix socket that nobody has accepted yet, and who ` +
          'could is not in the tree: have it accepted, or close it',
      });
    }
  }

  /** The unix sockets of the network namespaces in which processes of the tree have sockets. */
  async #unixSockets(): Promise<ReadonlyMap<string, UnixSocket>> {
    const namespaces = new Set<string | undefined>();
    const all = new Map<string, UnixSocket>();
    for (const { pid } of this.#sockets.values()) {
      const namespace = this.#link(`${pid}/ns/net`);
      if (namespaces.has(namespace)) continue;
      namespaces.add(namespace);
      for (const socket of (await readUnixSockets(pid)) ?? []) all.set(socket.inode, socket);
    }
    return all;
  }

  /** Names of a directory of `/proc`; none when it is gone. */
  names(path: string): string[] {
    this.#files += 1;
    return attempt(() => readdirSync(`${this.#procRoot}/${path}`)) ?? [];
  }

  #link(path: string): string | undefined {
    this.#files += 1;
    return attempt(() => readlinkSync(`${this.#procRoot}/${path}`));
  }

  #text(path: string): string | undefined {
    this.#files += 1;
    return attempt(() => readFileSync(`${this.#procRoot}/${path}`, 'latin1'));
  }

  #report(draft: Omit<FindingDraft, 'severity'>): void {
    this.findings.push(makeFinding({ ...draft, severity: 'not-restorable' }));
  }
}

/** A line of `/proc/PID/maps` for memory that is shared, from `memfd_create()`. */
const sharedMemfd =
  /^([0-9a-f]+)-([0-9a-f]+) ..[-x]s \S+ \S+ \d+ +\/memfd:(.*?)(?: \(deleted\))?$/gm;
/** `F_SEAL_WRITE`. */
const sealWrite = 8;

/** The names below `map_files` have no leading zeros. */
function trimZeros(address: string): string {
  return address.replace(/^0+(?=.)/, '');
}

/** The directory of a process, and below it what is of a thread or of a descriptor. */
const procFile =
  /^(?<prefix>(?:\/.*)?\/proc)\/(?<owner>\d+)(?:\/task\/(?<thread>\d+)(?:\/.*?)?|\/fdinfo\/(?<described>\d+))?(?<deleted> \(deleted\))?$/s;

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // gone, or another user's
  }
}
