import type { FindingDraft } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { shownPath } from '../../linux/paths.js';
import { forEach } from '../../linux/procfs.js';
import { readSockets, type Socket, tcpListening } from '../../linux/sockets.js';
import { closedInBacklog, unixPeers } from '../../linux/unix-peers.js';
import { type Holder, nameOf, type Scan } from '../scan.js';
import type { OwnSockets } from './descriptors.js';

/** The states of a TCP socket that is a connection: not listening, closed, or waiting for its end. */
const connectedStates: ReadonlySet<string> = new Set([
  '01',
  '02',
  '03',
  '04',
  '05',
  '08',
  '09',
  '0B',
]);
const streamType = '0001';
const datagramType = '0002';

/** Looks at the connections of the tree, and at sockets of which the kernel tells nothing. */
export async function checkSockets(scan: Scan, ours: OwnSockets): Promise<void> {
  if (ours.size === 0) return;
  const all = await readAll(scan);
  const byInode = new Map(all.map((socket) => [socket.inode, socket]));
  for (const [inode, holder] of ours) {
    const socket = byInode.get(inode);
    if (socket?.family === 'tcp') checkTcp(scan, socket, holder);
    if (socket) checkQueues(scan, socket, holder);
    // When the time was over, a socket may be in a table that was not read.
    if (!socket && !scan.budget.isSpent) reportUnknown(scan, inode, holder);
  }
  await checkMultipath(scan, byInode, ours);
  await checkUnix(scan, all, ours);
}

/** Reads the sockets of all network namespaces that the tree can have some of. */
async function readAll({ tasks, proc, own, budget }: Scan): Promise<Socket[]> {
  const all: Socket[] = [];
  const seen = new Set<string>();
  for (const { pid, namespaces } of tasks) {
    if (namespaces.net === undefined || seen.has(namespaces.net) || budget.isSpent) continue;
    seen.add(namespaces.net);
    all.push(...(await readSockets(proc, pid)));
  }
  // A task may have made a socket before it went into another namespace.
  const isOwnMissing = own.net !== undefined && !seen.has(own.net);
  if (isOwnMissing) all.push(...(await readSockets(proc, process.pid)));
  return all;
}

function checkQueues({ report }: Scan, socket: Socket, holder: Holder): void {
  const { family, unsent = 0, unread = 0, inode } = socket;
  const isCorked = family === 'other' && unsent > 0;
  const isUnread = unread > 0;
  if (!isCorked && !isUnread) return;
  const what = isCorked
    ? 'is a UDP socket with data that is not sent yet (UDP_CORK): have it sent'
    : 'is a netlink socket with messages that nobody has read: have them read';
  report({
    code: 'socket-data',
    severity: 'fails',
    ...holder,
    subject: `socket:[${inode}]`,
    message: `${nameOf(holder)} ${what}`,
  });
}

function reportUnknown({ report }: Scan, inode: string, holder: Holder): void {
  report({
    code: 'socket-unknown',
    severity: 'notice',
    ...holder,
    subject: `socket:[${inode}]`,
    message:
      `${nameOf(holder)} is a socket that the kernel lists nowhere: CRIU saves it if it is a TCP or ` +
      'UDP one that is not in use, and fails if it is of vsock or another family',
  });
}

/** The kernel lists a multipath connection as a plain one, and only counts how many there are. */
async function checkMultipath(
  { proc, report }: Scan,
  byInode: ReadonlyMap<string, Socket>,
  ours: OwnSockets,
): Promise<void> {
  const tcp = [...ours].find(([inode]) => byInode.get(inode)?.family === 'tcp');
  if (!tcp) return;
  const [, { pid }] = tcp;
  const protocols = (await proc.text(`${pid}/net/protocols`)) ?? '';
  const count = [...protocols.matchAll(/^MPTCP(?:v6)?\s+\d+\s+(\d+)/gm)]
    .map((match) => Number(match[1]))
    .reduce((sum, sockets) => sum + sockets, 0);
  if (count === 0) return;
  report({
    code: 'socket-multipath',
    severity: 'notice',
    pid,
    subject: 'MPTCP',
    message:
      `There are ${count} MPTCP sockets in the network namespace of process ${pid}, and CRIU supports ` +
      'none: if they are its own, have it use plain TCP (Go: GODEBUG=multipathtcp=0)',
  });
}

function checkTcp({ report, allowed }: Scan, socket: Socket, holder: Holder): void {
  const { state, name, waiting } = socket;
  if (state === tcpListening && waiting > 0 && !allowed.flags.has('skip-in-flight')) {
    report({
      code: 'tcp-in-flight',
      severity: 'needs-option',
      ...holder,
      subject: name,
      option: 'tcpSkipInFlight',
      value: true,
      message: sentence`${nameOf(holder)} listens at ${name} and has ${waiting} connections that nobody
        has accepted: pass ${option('tcpSkipInFlight', true)} to leave them out`,
    });
  }
  const isAllowed = allowed.flags.has('tcp-established') || allowed.flags.has('tcp-close');
  if (!connectedStates.has(state) || isAllowed) return;
  report({
    code: 'tcp-established',
    severity: 'needs-option',
    ...holder,
    subject: name,
    option: 'tcpEstablished',
    value: true,
    message: sentence`${nameOf(holder)} is a TCP connection (${name}): pass
      ${option('tcpEstablished', true)} to save it, or ${option('tcpClose', true)} to have it closed
      at restore`,
  });
}

async function checkUnix(scan: Scan, all: readonly Socket[], ours: OwnSockets): Promise<void> {
  const inodes = new Set(ours.keys());
  const { outside, unclear } = unixPeers(all, inodes);
  const inFlight = outside.length === 0 ? new Set<string>() : await heldByNobody(scan, all, ours);
  for (const socket of outside) {
    if (!isPairedWith(socket, inFlight)) reportUnix(scan, socket, ours, outsideDraft);
  }
  for (const socket of closedInBacklog(all, inodes)) reportClosed(scan, socket, ours);
  for (const socket of unclear) reportUnix(scan, socket, ours, unclearDraft);
}

/** Whether the other end of a socketpair, whose inode is the next one, is in a set. */
function isPairedWith({ inode, name }: Socket, others: ReadonlySet<string>): boolean {
  const number = Number(inode);
  return name === '' && (others.has(String(number - 1)) || others.has(String(number + 1)));
}

/**
 * The nameless unix sockets that no process has open: they are on their way in a message, which CRIU
 * saves with the socket that it was sent to. Empty where not all processes may be looked at.
 */
async function heldByNobody(
  { proc, budget }: Scan,
  all: readonly Socket[],
  ours: OwnSockets,
): Promise<ReadonlySet<string>> {
  const free = new Set(
    all
      .filter(({ family, name, inode }) => family === 'unix' && name === '' && !ours.has(inode))
      .map(({ inode }) => inode),
  );
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

function reportClosed({ report }: Scan, { inode, name }: Socket, ours: OwnSockets): void {
  const holder = ours.get(inode);
  if (!holder) return;
  report({
    code: 'unix-in-flight',
    severity: 'fails',
    ...holder,
    subject: name,
    message:
      `${nameOf(holder)} is a unix socket (${shownPath(name)}) with a connection that was closed before ` +
      'it was accepted, which CRIU does not save: accept it',
  });
}

/** A finding about a unix socket without what all of them have. */
type UnixDraft = Omit<FindingDraft, 'code' | 'pid' | 'subject'>;

function reportUnix(
  { report, allowed }: Scan,
  socket: Socket,
  ours: OwnSockets,
  draftOf: (name: string, isAllowed: boolean, socket: Socket) => UnixDraft | undefined,
): void {
  const holder = ours.get(socket.inode);
  if (!holder || allowed.externals.has(`unix[${socket.inode}]`)) return;
  const draft = draftOf(nameOfUnix(socket, holder), allowed.flags.has('ext-unix-sk'), socket);
  const subject = socket.name === '' ? `socket:[${socket.inode}]` : socket.name;
  if (draft) report({ ...draft, ...holder, code: 'unix-external', subject });
}

function nameOfUnix({ name }: Socket, holder: Holder): string {
  return `${nameOf(holder)} is a unix socket${name === '' ? '' : ` (${shownPath(name)})`}`;
}

function outsideDraft(
  name: string,
  isAllowed: boolean,
  { inode, type, references }: Socket,
): UnixDraft | undefined {
  if (type === datagramType && references === 2) {
    if (isAllowed) return undefined;
    return {
      severity: 'needs-option',
      option: 'extUnixSk',
      value: true,
      message: sentence`${name} whose other end is outside of the tree: pass
        ${option('extUnixSk', true)}`,
    };
  }
  // The socket is half a connection, for which extUnixSk is not enough for CRIU.
  const value = [`unix[${inode}]`];
  const stream = type === streamType ? 'stream ' : '';
  return {
    severity: 'needs-option',
    option: 'external',
    value,
    message: sentence`${name} ${stream}whose other end is outside of the tree: close it, or pass
      ${option('external', value)} and hand another one over at restore`,
  };
}

function unclearDraft(name: string, isAllowed: boolean): UnixDraft | undefined {
  if (isAllowed) return undefined;
  return {
    severity: 'notice',
    message: sentence`${name} whose other end may be outside of the tree, where CRIU would need
      ${option('extUnixSk', true)} for datagrams and refuse a stream`,
  };
}
