import { option, sentence } from '../../base/sentence.js';
import { shownPath } from '../../linux/paths.js';
import { readSockets, type Socket } from '../../linux/sockets.js';
import { unixPeers } from '../../linux/unix-peers.js';
import type { Scan } from '../scan.js';
import type { OwnSockets } from './descriptors.js';

const listening = '0A';
/** States of a connection: all but listening, closed and waiting for its end. */
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
const stream = '0001';

/** Connections of the tree, and sockets of which the kernel tells nothing. */
export async function checkSockets(scan: Scan, ours: OwnSockets): Promise<void> {
  if (ours.size === 0) return;
  const { tasks, proc, own, report, budget } = scan;
  const all: Socket[] = [];
  const seen = new Set<string>();
  for (const { pid, namespaces } of tasks) {
    if (namespaces.net === undefined || seen.has(namespaces.net) || budget.isSpent) continue;
    seen.add(namespaces.net);
    all.push(...(await readSockets(proc, pid)));
  }
  // One that was made before its process went into a namespace.
  if (own.net !== undefined && !seen.has(own.net))
    all.push(...(await readSockets(proc, process.pid)));
  const found = new Map(all.map((socket) => [socket.inode, socket]));
  for (const [inode, holder] of ours) {
    const socket = found.get(inode);
    if (socket?.family === 'tcp') checkTcp(scan, socket, holder);
    if (socket || budget.isSpent) continue;
    report({
      code: 'socket-unknown',
      severity: 'notice',
      ...holder,
      subject: `socket:[${inode}]`,
      message:
        `Descriptor ${holder.fd} of process ${holder.pid} is a socket that the kernel lists nowhere: ` +
        'CRIU saves it if it is a TCP or UDP one that is not in use, and fails if it is of vsock or ' +
        'another family',
    });
  }
  await checkMultipath(scan, found, ours);
  checkUnix(scan, all, ours);
}

/** The kernel lists a multipath connection as a plain one, and counts them all together. */
async function checkMultipath(
  { proc, report }: Scan,
  found: ReadonlyMap<string, Socket>,
  ours: OwnSockets,
): Promise<void> {
  const tcp = [...ours].find(([inode]) => found.get(inode)?.family === 'tcp');
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

function checkTcp(
  { report, allowed }: Scan,
  socket: Socket,
  holder: { pid: number; fd: number },
): void {
  const { state, name, waiting } = socket;
  const { pid, fd } = holder;
  if (state === listening && waiting > 0 && !allowed.flags.has('skip-in-flight')) {
    report({
      code: 'tcp-in-flight',
      severity: 'needs-option',
      pid,
      fd,
      subject: name,
      option: 'tcpSkipInFlight',
      value: true,
      message: sentence`Descriptor ${fd} of process ${pid} listens at ${name} and has ${waiting}
        connections that nobody has accepted: pass ${option('tcpSkipInFlight', true)} to leave them
        out`,
    });
  }
  const isAllowed = allowed.flags.has('tcp-established') || allowed.flags.has('tcp-close');
  if (!connectedStates.has(state) || isAllowed) return;
  report({
    code: 'tcp-established',
    severity: 'needs-option',
    pid,
    fd,
    subject: name,
    option: 'tcpEstablished',
    value: true,
    message: sentence`Descriptor ${fd} of process ${pid} is a TCP connection (${name}): pass
      ${option('tcpEstablished', true)} to save it, or ${option('tcpClose', true)} to have it closed
      at restore`,
  });
}

function checkUnix({ report, allowed }: Scan, all: readonly Socket[], ours: OwnSockets): void {
  const { outside, unclear } = unixPeers(all, new Set(ours.keys()));
  const isAllowed = ({ inode }: Socket): boolean => allowed.externals.has(`unix[${inode}]`);
  const describe = (socket: Socket, fd: number, pid: number): string =>
    `Descriptor ${fd} of process ${pid} is a unix socket` +
    `${socket.name === '' ? '' : ` (${shownPath(socket.name)})`}`;
  for (const socket of outside) {
    const holder = ours.get(socket.inode);
    if (!holder || isAllowed(socket)) continue;
    const { pid, fd } = holder;
    const subject = socket.name === '' ? `socket:[${socket.inode}]` : socket.name;
    const what = describe(socket, fd, pid);
    const common = { code: 'unix-external', severity: 'needs-option', pid, fd, subject } as const;
    if (socket.type === '0002' && socket.references === 2) {
      if (allowed.flags.has('ext-unix-sk')) continue;
      report({
        ...common,
        option: 'extUnixSk',
        value: true,
        message: sentence`${what} whose other end is outside of the tree: pass
          ${option('extUnixSk', true)}`,
      });
      continue;
    }
    // Half a connection: extUnixSk is not enough for CRIU.
    const value = [`unix[${socket.inode}]`];
    report({
      ...common,
      option: 'external',
      value,
      message: sentence`${what} ${socket.type === stream ? 'stream ' : ''}whose other end is outside
        of the tree: close it, or pass ${option('external', value)} and hand another one over at
        restore`,
    });
  }
  for (const socket of unclear) {
    const holder = ours.get(socket.inode);
    if (!holder || isAllowed(socket) || allowed.flags.has('ext-unix-sk')) continue;
    const { pid, fd } = holder;
    report({
      code: 'unix-external',
      severity: 'notice',
      pid,
      fd,
      subject: socket.name === '' ? `socket:[${socket.inode}]` : socket.name,
      message: sentence`${describe(socket, fd, pid)} whose other end may be outside of the tree,
        where CRIU would need ${option('extUnixSk', true)} for datagrams and refuse a stream`,
    });
  }
}
