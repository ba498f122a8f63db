import { endpoint } from './addresses.js';
import type { Entry } from './entry.js';
import type { ImageFiles } from './files.js';
import type { SocketReport } from './report.js';

const protocols: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp6',
  136: 'udplite',
};
const types: Readonly<Record<number, string>> = {
  1: 'STREAM',
  2: 'DGRAM',
  3: 'RAW',
  5: 'SEQPACKET',
  10: 'PACKET',
};
/** Those of TCP, which the kernel has for other sockets too. */
const states: Readonly<Record<number, string>> = {
  1: 'ESTABLISHED',
  2: 'SYN_SENT',
  3: 'SYN_RECV',
  4: 'FIN_WAIT1',
  5: 'FIN_WAIT2',
  6: 'TIME_WAIT',
  7: 'CLOSE',
  8: 'CLOSE_WAIT',
  9: 'LAST_ACK',
  10: 'LISTEN',
};

/** A socket without those who hold it. */
export type Socket = Omit<SocketReport, 'holders'>;

/** Where an open file's entry has a socket of each kind. */
const readers: Readonly<Record<string, (file: Entry, queues: Queues) => Socket>> = {
  INETSK: (file, queues) => inetSocket(file.entry('isk'), queues),
  UNIXSK: (file, queues) => unixSocket(file.entry('usk'), queues),
  NETLINKSK: (file) => plainSocket('netlink', file.entry('nlsk')),
  PACKETSK: (file) => plainSocket('packet', file.entry('psk')),
};

/** The socket that an open file is; undefined for other files. */
export function socketOf(file: Entry, queues: Queues): Socket | undefined {
  const type = file.text('type');
  return Object.hasOwn(readers, type) ? readers[type]?.(file, queues) : undefined;
}

/** Bytes that wait in sockets. */
export interface Queues {
  /** Those of TCP connections, received and not yet sent, by CRIU's number of the socket. */
  readonly tcp: ReadonlyMap<number, readonly [number, number]>;
  /** Those of other sockets, by the number of the open file. */
  readonly packets: ReadonlyMap<number, number>;
}

/** @throws CriuError `ERR_CRIU_IMAGE` */
export async function readQueues(files: ImageFiles): Promise<Queues> {
  const tcp = new Map<number, readonly [number, number]>();
  for (const name of files.sizes.keys()) {
    const [, id] = /^tcp-stream-([0-9a-f]+)\.img$/.exec(name) ?? [];
    if (id === undefined) continue;
    const stream = await files.first(name);
    tcp.set(Number.parseInt(id, 16), [stream.number('inq_len'), stream.number('outq_len')]);
  }
  const packets = new Map<number, number>();
  for (const packet of await files.entries('sk-queues.img')) {
    const id = packet.number('id_for');
    packets.set(id, (packets.get(id) ?? 0) + packet.number('length'));
  }
  return { tcp, packets };
}

function inetSocket(socket: Entry, { tcp }: Queues): Socket {
  const number = socket.number('proto');
  const [unread, unsent] = tcp.get(socket.number('ino')) ?? [0, 0];
  const family = socket.number('family') === 10 ? '6' : '';
  return {
    protocol: `${protocols[number] ?? `ip ${number}`}${number === 58 ? '' : family}`,
    ...kindOf(socket),
    local: endpoint(socket.numbers('src_addr'), socket.number('src_port')),
    remote: endpoint(socket.numbers('dst_addr'), socket.number('dst_port')),
    unread,
    unsent,
  };
}

function unixSocket(socket: Entry, { packets }: Queues): Socket {
  const name = socket.unixName('name');
  const peer = socket.number('peer');
  return {
    protocol: 'unix',
    ...kindOf(socket),
    local: name === '' ? undefined : name,
    remote: peer === 0 ? undefined : `socket ${peer}`,
    unread: packets.get(socket.number('ino')) ?? packets.get(socket.number('id')) ?? 0,
    unsent: 0,
  };
}

function plainSocket(protocol: string, socket: Entry): Socket {
  return {
    protocol,
    ...kindOf(socket),
    local: undefined,
    remote: undefined,
    unread: 0,
    unsent: 0,
  };
}

/** That a socket without connections is in the state of a closed one says nothing. */
function kindOf(socket: Entry): Pick<Socket, 'type' | 'state'> {
  const type = types[socket.number('type')];
  const state = states[socket.number('state')];
  const isConnected = type === 'STREAM' || type === 'SEQPACKET' || state !== 'CLOSE';
  return { type, state: isConnected ? state : undefined };
}

/** A socket in words. */
export function socketInWords({ protocol, state, local, remote }: Socket): string {
  const route = [local ?? '', remote === undefined ? '' : `-> ${remote}`].filter(Boolean).join(' ');
  return [protocol, route, state ?? ''].filter(Boolean).join(' ');
}
