import { option, sentence } from '../../base/sentence.js';
import { readSockets, type Socket, socketProtocol, tcpListening } from '../../linux/sockets.js';
import { readUnixSockets, type UnixSocket } from '../../linux/unix-sockets.js';
import { type Holder, nameOf, type Scan } from '../scan.js';
import { checkControlMessages } from './control-messages.js';
import type { OwnSockets } from './descriptors.js';
import { checkMemberships } from './memberships.js';
import { checkUnix } from './unix.js';

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

/** Looks at the sockets of the tree: their protocols, connections and queues. */
export async function checkSockets(scan: Scan, ours: OwnSockets): Promise<void> {
  if (ours.size === 0) return;
  const { byInode, unix, isUnixComplete } = await readAll(scan);
  for (const [inode, holder] of ours) {
    const socket = byInode.get(inode);
    const protocol = checkProtocol(scan, inode, holder);
    if (socket?.family === 'tcp') checkTcp(scan, socket, holder);
    if (socket) checkQueues(scan, socket, holder);
    const isElsewhere = isUnixComplete && !unix.has(inode) && protocol?.startsWith('UNIX');
    if (isElsewhere) reportElsewhere(scan, inode, holder);
    // When the time was over, a socket may be in a table that was not read.
    const isUnknown = !socket && !unix.has(inode) && protocol === undefined;
    if (isUnknown && !scan.budget.isSpent) reportUnknown(scan, inode, holder);
  }
  await checkUnix(scan, unix, ours);
  checkControlMessages(scan, unix, ours);
  await checkMemberships(scan, ours);
}

/** The sockets of all network namespaces that the tree can have some of, by their inodes. */
interface AllSockets {
  readonly byInode: ReadonlyMap<string, Socket>;
  readonly unix: ReadonlyMap<string, UnixSocket>;
  readonly isUnixComplete: boolean;
}

async function readAll({ tasks, proc, own, budget }: Scan): Promise<AllSockets> {
  const byInode = new Map<string, Socket>();
  const unix = new Map<string, UnixSocket>();
  const seen = new Set<string>();
  let isUnixComplete = true;
  const read = async (pid: number): Promise<void> => {
    for (const socket of await readSockets(proc, pid)) byInode.set(socket.inode, socket);
    const some = await readUnixSockets(pid);
    isUnixComplete &&= some !== undefined;
    for (const socket of some ?? []) unix.set(socket.inode, socket);
  };
  for (const { pid, namespaces } of tasks) {
    if (namespaces.net === undefined || seen.has(namespaces.net) || budget.isSpent) continue;
    seen.add(namespaces.net);
    await read(pid);
  }
  // A task may have made a socket before it went into another namespace.
  if (own.net !== undefined && !seen.has(own.net)) await read(process.pid);
  return { byInode, unix, isUnixComplete: isUnixComplete && !budget.isSpent };
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

/** The protocols whose sockets CRIU saves, by the kernel's names. */
const savedProtocols =
  /^(TCP|UDP|UDPLITE|RAW|PING)(v6)?$|^(UDP-Lite|UNIX|UNIX-STREAM|NETLINK|PACKET)$/;

/**
 * Looks at the protocol of a socket.
 *
 * @returns undefined where the kernel does not tell it.
 */
function checkProtocol({ report }: Scan, inode: string, holder: Holder): string | undefined {
  const protocol = socketProtocol(holder);
  if (protocol === undefined || savedProtocols.test(protocol)) return protocol;
  const about = { ...holder, severity: 'fails', subject: `socket:[${inode}]` } as const;
  if (/^MPTCP/.test(protocol)) {
    const message = `${nameOf(holder)} is a multipath TCP socket, which CRIU does not support: use plain TCP (Go: GODEBUG=multipathtcp=0)`;
    report({ ...about, code: 'socket-multipath', message });
  } else {
    const message = `${nameOf(holder)} is a socket of a kind that CRIU does not support (${protocol}): close it`;
    report({ ...about, code: 'socket-unknown', message });
  }
  return protocol;
}

/** A socket stays in the network namespace where it was made, and CRIU looks into the tasks' own. */
function reportElsewhere({ report }: Scan, inode: string, holder: Holder): void {
  report({
    code: 'unix-external',
    severity: 'fails',
    ...holder,
    subject: `socket:[${inode}]`,
    message: `${nameOf(holder)} is a unix socket of a network namespace that no process of the tree is in, where CRIU does not find it: close it`,
  });
}

/** Says so of a socket of which the kernel tells nothing at all. */
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
