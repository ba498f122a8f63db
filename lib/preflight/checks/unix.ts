import type { FindingDraft } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { journalSocket } from '../../linux/journal.js';
import { shownPath } from '../../linux/paths.js';
import { forEach } from '../../linux/procfs.js';
import type { UnixSocket } from '../../linux/unix-sockets.js';
import { nameOf, type Scan } from '../scan.js';
import type { OwnSockets } from './descriptors.js';

/** What CRIU makes of a unix socket of the tree, as its functions in `sk-unix.c` decide. */
export type UnixVerdict =
  | 'saved'
  /** The other end is a name outside, to which datagrams are sent. */
  | 'outside-name'
  /** The other end is the journal's. */
  | 'journal'
  /** The other end of a connection is outside. */
  | 'outside'
  /** It is connected to one that has no name and is not connected to it. */
  | 'unreachable'
  /** Nobody has accepted it, and it has sent something. */
  | 'waiting-with-data'
  /** It listens, and a connection was closed before it was accepted. */
  | 'closed-while-waiting'
  /** It waits for somebody outside to accept it: it is saved and cannot be restored. */
  | 'waiting-outside';

/** The unix sockets that CRIU sees. */
export interface UnixView {
  /** Those of the network namespaces of the tree, and of CRIU's own. */
  readonly all: ReadonlyMap<string, UnixSocket>;
  /** The tree's own, and those on their way in its messages. */
  readonly ours: { has(inode: string): boolean };
}

/** Decides on one socket of the tree. */
export function judgeUnix(socket: UnixSocket, view: UnixView): UnixVerdict {
  const { all, ours } = view;
  if (socket.state === 'listening') {
    return socket.waiting.includes(undefined) ? 'closed-while-waiting' : 'saved';
  }
  if (socket.peer !== undefined) return judgePeer(socket, all.get(socket.peer), ours);
  if (socket.state !== 'connected' || socket.type === 'datagram') return 'saved';
  const listener = [...all.values()].find(({ waiting }) => waiting.includes(socket.inode));
  if (listener === undefined) return socket.isShutDown ? 'saved' : 'unreachable';
  if (socket.hasUnread) return 'waiting-with-data';
  return ours.has(listener.inode) ? 'saved' : 'waiting-outside';
}

function judgePeer(
  { inode }: UnixSocket,
  peer: UnixSocket | undefined,
  ours: UnixView['ours'],
): UnixVerdict {
  // One in another network namespace is none that CRIU knows.
  if (peer === undefined) return 'unreachable';
  if (peer.peer !== inode && peer.name === '') return 'unreachable';
  if (ours.has(peer.inode)) return 'saved';
  if (peer.name === journalSocket) return 'journal';
  return peer.type === 'datagram' && peer.name !== '' ? 'outside-name' : 'outside';
}

/** Looks at the unix sockets of the tree. */
export async function checkUnix(
  scan: Scan,
  all: ReadonlyMap<string, UnixSocket>,
  ours: OwnSockets,
): Promise<void> {
  const own = [...ours.keys()].flatMap((inode) => all.get(inode) ?? []);
  const isOutside = (socket: UnixSocket): boolean => judgeUnix(socket, { all, ours }) === 'outside';
  // To look at all processes takes some time.
  const inFlight = own.some(isOutside) ? await heldByNobody(scan, all) : new Set<string>();
  const view = { all, ours: { has: (inode: string) => ours.has(inode) || inFlight.has(inode) } };
  for (const socket of own) report(scan, socket, judgeUnix(socket, view), ours);
}

/**
 * The nameless unix sockets that no process has open: they are on their way in a message, which CRIU
 * saves with the socket that it was sent to. Empty where not all processes may be looked at.
 */
async function heldByNobody(
  { proc, budget }: Scan,
  all: ReadonlyMap<string, UnixSocket>,
): Promise<ReadonlySet<string>> {
  const free = new Set([...all.values()].filter(({ name }) => name === '').map(inodeOf));
  if (process.geteuid?.() !== 0) return new Set();
  const pids = ((await proc.names('.')) ?? []).filter((name) => /^\d+$/.test(name));
  await forEach(pids, budget, async (pid) => {
    for (const fd of (await proc.names(`${pid}/fd`)) ?? []) {
      const inode = /^socket:\[(\d+)\]$/.exec((await proc.link(`${pid}/fd/${fd}`)) ?? '')?.[1];
      if (inode !== undefined) free.delete(inode);
    }
  });
  return budget.isSpent ? new Set() : free;
}

function inodeOf({ inode }: UnixSocket): string {
  return inode;
}

function report(scan: Scan, socket: UnixSocket, verdict: UnixVerdict, ours: OwnSockets): void {
  const { inode, name } = socket;
  const holder = ours.get(inode);
  if (!holder) return;
  const subject = name === '' ? `socket:[${inode}]` : name;
  const shown = `${nameOf(holder)} is a unix socket${name === '' ? '' : ` (${shownPath(name)})`}`;
  const draft = draftOf(scan, shown, socket, verdict);
  if (draft) scan.report({ ...draft, ...holder, subject });
}

function draftOf(
  { allowed }: Scan,
  shown: string,
  { inode, type }: UnixSocket,
  verdict: UnixVerdict,
): Omit<FindingDraft, 'pid' | 'subject'> | undefined {
  const isExternal = allowed.externals.has(`unix[${inode}]`);
  switch (verdict) {
    case 'saved':
    case 'waiting-outside': // See unrestorable.ts.
      return undefined;
    case 'outside-name':
      if (isExternal || allowed.flags.has('ext-unix-sk')) return undefined;
      return {
        code: 'unix-external',
        severity: 'needs-option',
        option: 'extUnixSk',
        value: true,
        message: sentence`${shown} whose other end is outside of the tree: pass
          ${option('extUnixSk', true)}`,
      };
    case 'journal':
      if (isExternal || allowed.journal === 'saved') return undefined;
      if (allowed.journal === 'none') return halfDraft(shown, inode, type);
      return {
        code: 'unix-journal',
        severity: 'needs-option',
        option: 'journal',
        value: true,
        message: sentence`${shown} to the journal of systemd: pass ${option('journal', true)}, to the restore
          as well, which connects it anew`,
      };
    case 'outside':
      return isExternal ? undefined : halfDraft(shown, inode, type);
    case 'unreachable':
      return {
        code: 'unix-external',
        severity: 'fails',
        message: `${shown} whose other end CRIU cannot find, as it is in another network namespace or has been connected to somebody else: close it`,
      };
    case 'waiting-with-data':
      return {
        code: 'unix-in-flight',
        severity: 'fails',
        message: `${shown} that has sent data before anybody has accepted it, which CRIU does not save: have it accepted`,
      };
    case 'closed-while-waiting':
      return {
        code: 'unix-in-flight',
        severity: 'fails',
        message: `${shown} with a connection that was closed before it was accepted, which CRIU does not save: accept it`,
      };
  }
}

/** Half a connection, for which extUnixSk is not enough for CRIU. */
function halfDraft(
  shown: string,
  inode: string,
  type: UnixSocket['type'],
): Omit<FindingDraft, 'pid' | 'subject'> {
  const value = [`unix[${inode}]`];
  const stream = type === 'stream' ? 'stream ' : '';
  return {
    code: 'unix-external',
    severity: 'needs-option',
    option: 'external',
    value,
    message: sentence`${shown} ${stream}whose other end is outside of the tree: close it, or pass
      ${option('external', value)} and hand another one over at restore`,
  };
}
