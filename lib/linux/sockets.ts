import type { Procfs } from './procfs.js';

/** A socket of one of the tables in `/proc/PID/net`. */
export interface Socket {
  readonly inode: string;
  readonly family: 'unix' | 'tcp' | 'other';
  /** Of unix: hexadecimal type; `0001` stream, `0002` datagram, `0005` sequenced packets. */
  readonly type: string;
  /** The kernel's hexadecimal state. */
  readonly state: string;
  /** A path, or both addresses of a connection. */
  readonly name: string;
  /** Of one that listens: connections that nobody has accepted yet. */
  readonly waiting: number;
  /** Of unix: how many hold it. */
  readonly references: number;
}

const tcpTables = ['tcp', 'tcp6'] as const;
const otherTables = ['udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6', 'icmp', 'icmp6'] as const;

/** All sockets of the network namespace that a process is in. */
export async function readSockets(proc: Procfs, pid: number): Promise<Socket[]> {
  const read = async (table: string): Promise<string> =>
    (await proc.text(`${pid}/net/${table}`)) ?? '';
  const unix = parseUnix(await read('unix'));
  const inet: Socket[] = [];
  for (const table of tcpTables) inet.push(...parseInet(await read(table), 'tcp'));
  for (const table of otherTables) inet.push(...parseInet(await read(table), 'other'));
  for (const [table, column] of [
    ['netlink', 9],
    ['packet', 8],
  ] as const) {
    inet.push(...parseColumn(await read(table), column));
  }
  return [...unix, ...inet];
}

/** `/proc/net/unix`: Num RefCount Protocol Flags Type St Inode Path. */
export function parseUnix(text: string): Socket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Socket[] => {
      const match = /^\S+ (\S+) \S+ \S+ (\S+) (\S+) +(\d+)(?: (.*))?$/.exec(line);
      if (!match) return [];
      const [, count = '', type = '', state = '', inode = '', name = ''] = match;
      const references = Number.parseInt(count, 16);
      return [{ inode, family: 'unix', type, state, name, waiting: 0, references }];
    });
}

/** `/proc/net/tcp` and its like: sl local remote st tx:rx tr:tm retrnsmt uid timeout inode. */
export function parseInet(text: string, family: 'tcp' | 'other'): Socket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Socket[] => {
      const fields = line.trim().split(/\s+/);
      const [, local, remote, state = '', queues = ''] = fields;
      const inode = fields[9];
      if (local === undefined || remote === undefined || inode === undefined) return [];
      const waiting = state === '0A' ? Number.parseInt(queues.split(':')[1] ?? '0', 16) : 0;
      const name = state === '0A' ? address(local) : `${address(local)} - ${address(remote)}`;
      return [{ inode, family, type: '', state, name, waiting, references: 0 }];
    });
}

function parseColumn(text: string, column: number): Socket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Socket[] => {
      const inode = line.trim().split(/\s+/)[column];
      if (inode === undefined) return [];
      return [{ inode, family: 'other', type: '', state: '', name: '', waiting: 0, references: 0 }];
    });
}

/** The kernel writes addresses as 32-bit words in the machine's byte order. */
function address(text: string): string {
  const [hex = '', port = ''] = text.split(':');
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32LE(Number.parseInt(word, 16));
    return [...buffer];
  });
  const number = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join('.')}:${number}`;
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (isMapped) return `${bytes.slice(12).join('.')}:${number}`;
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  }
  const longest = groups.join(':').replace(/(?:^|:)0(?::0)+(?:$|:)/, '::');
  return `[${longest}]:${number}`;
}

/** What can be told of the other ends of the tree's connected unix sockets. */
export interface UnixPeers {
  /** Their other end is outside of the tree. */
  readonly outside: readonly Socket[];
  /** Some of them have theirs outside, which ones cannot be told. */
  readonly unclear: readonly Socket[];
}

const connected = '03';
const datagram = '0002';
/** The references that every unix socket has; one more for each that is connected to it. */
const ownReferences = 2;

/**
 * Where the other ends of the tree's connected unix sockets are. The kernel tells it only by a
 * netlink request, so it is concluded: the ends of a socketpair are made together and have
 * neighbouring inodes; of another connection one end carries the name of a listener and the other
 * none; a socket that nobody is connected to has no reference of another's.
 *
 * @param all - Every socket of the tree's network namespaces.
 * @param ours - Inodes of the tree's own sockets.
 */
export function unixPeers(all: readonly Socket[], ours: ReadonlySet<string>): UnixPeers {
  const outside: Socket[] = [];
  const unclear: Socket[] = [];
  const unix = all.filter(({ family }) => family === 'unix');
  for (const type of new Set(unix.map((socket) => socket.type))) {
    const sockets = unix.filter((socket) => socket.type === type);
    const found = type === datagram ? datagramPeers(sockets, ours) : streamPeers(sockets, ours);
    outside.push(...found.outside);
    unclear.push(...found.unclear);
  }
  return { outside, unclear };
}

function streamPeers(sockets: readonly Socket[], ours: ReadonlySet<string>): UnixPeers {
  const isOurs = ({ inode }: Socket): boolean => ours.has(inode);
  const live = sockets.filter(
    ({ state, references, inode }) =>
      // Nobody has accepted one without an inode, but its other end is connected.
      (state === connected && references > ownReferences) || inode === '0',
  );
  const all = live.filter(isOurs);
  if (all.length === live.length) return { outside: [], unclear: [] };
  const named = live.filter(({ name }) => name !== '');
  const { pairs, others } = separatePairs(live.filter(({ name }) => name === ''));
  // Each that was accepted has a client without a name. Are there more pairs than that leaves,
  // clients were taken for one.
  if (others.length < named.length) return { outside: [], unclear: all };
  const outside = pairs
    .filter(([a, b]) => isOurs(a) !== isOurs(b))
    .map(([a, b]) => (isOurs(a) ? a : b));
  const clients = others.filter(isOurs);
  const accepted = named.filter(isOurs);
  const isBeyond = clients.length === 0 || accepted.length === 0;
  if (isBeyond) return { outside: [...outside, ...clients, ...accepted], unclear: [] };
  // All connections may be among themselves.
  const theirs = live.some(
    (socket) => !isOurs(socket) && (named.includes(socket) || others.includes(socket)),
  );
  return { outside, unclear: theirs ? [...clients, ...accepted] : [] };
}

function datagramPeers(sockets: readonly Socket[], ours: ReadonlySet<string>): UnixPeers {
  const isOurs = ({ inode }: Socket): boolean => ours.has(inode);
  const nameless = sockets.filter(({ state, name }) => state === connected && name === '');
  const { pairs } = separatePairs(nameless.filter(({ references }) => references > ownReferences));
  const outside = pairs
    .filter(([a, b]) => isOurs(a) !== isOurs(b))
    .map(([a, b]) => (isOurs(a) ? a : b));
  // The others have connected to somebody with a name, who is not connected to them.
  const clients = nameless.filter(({ references }) => references === ownReferences);
  const ourClients = clients.filter(isOurs);
  const named = sockets.filter((socket) => socket.name !== '' && isOurs(socket));
  const ourOwn = named.reduce((sum, { references }) => sum + references - ownReferences, 0);
  if (ourOwn === 0) return { outside: [...outside, ...ourClients], unclear: [] };
  // Somebody is connected to us: is it ourselves?
  const isClear = ourClients.length === clients.length && ourOwn >= ourClients.length;
  return { outside, unclear: isClear ? [] : ourClients };
}

/** Two without a name whose inodes follow one another are the ends of a socketpair. */
function separatePairs(sockets: readonly Socket[]): {
  pairs: [Socket, Socket][];
  others: Socket[];
} {
  const pairs: [Socket, Socket][] = [];
  const others: Socket[] = [];
  const sorted = [...sockets].sort((a, b) => Number(a.inode) - Number(b.inode));
  for (let at = 0; at < sorted.length; at += 1) {
    const [socket, next] = [sorted[at], sorted[at + 1]];
    if (socket === undefined) break;
    if (next !== undefined && Number(next.inode) === Number(socket.inode) + 1) {
      pairs.push([socket, next]);
      at += 1;
    } else others.push(socket);
  }
  return { pairs, others };
}
