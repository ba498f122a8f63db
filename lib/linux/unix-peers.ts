import type { Socket } from './sockets.js';

/** The connected unix sockets of a tree whose other ends are not known to be in the tree as well. */
interface UnixPeers {
  /** The other end of each of these sockets is outside of the tree. */
  readonly outside: readonly Socket[];
  /** The other ends of some of these sockets are outside; it cannot be told which ones. */
  readonly unclear: readonly Socket[];
}

const unconnected = '01';
const connected = '03';
const datagram = '0002';
/** Every unix socket has so many references, and one more for each that is connected to it. */
const ownReferences = 2;

/**
 * Finds where the other ends of the tree's connected unix sockets are. The kernel tells it only by a
 * netlink request, so it is concluded from three facts:
 *
 * - the ends of a socketpair are made together and have neighbouring inodes;
 * - of any other connection one end carries the name of a listener and the other none;
 * - a socket that nobody is connected to has no reference of another's.
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
  const listeners = new Set(
    sockets.filter(({ inode, state }) => ours.has(inode) && state === unconnected).map(nameOf),
  );
  // What nobody has accepted yet has the name of the socket that listens, and belongs to that.
  const isOurs = ({ inode, name }: Socket): boolean =>
    ours.has(inode) || (inode === '0' && listeners.has(name));
  const live = sockets.filter(
    ({ state, references, inode }) =>
      // A socket without an inode was not accepted yet, but its other end is connected.
      (state === connected && references > ownReferences) || inode === '0',
  );
  const all = live.filter(isOurs);
  if (all.length === live.length) return { outside: [], unclear: [] };
  const named = live.filter(({ name }) => name !== '');
  const { pairs, others } = separatePairs(live.filter(({ name }) => name === ''));
  // Each socket that was accepted has a client without a name. When there are fewer than that, two
  // clients with neighbouring inodes were taken for a socketpair.
  if (others.length < named.length) return { outside: [], unclear: all };
  const outside = halvesIn(pairs, isOurs);
  const clients = others.filter(isOurs);
  const accepted = named.filter(isOurs);
  const isBeyond = clients.length === 0 || accepted.length === 0;
  if (isBeyond) return { outside: [...outside, ...clients, ...accepted], unclear: [] };
  // When nobody outside has a connection, all of the tree's are between its own sockets.
  const areOthersConnected = live.some(
    (socket) => !isOurs(socket) && (named.includes(socket) || others.includes(socket)),
  );
  return { outside, unclear: areOthersConnected ? [...clients, ...accepted] : [] };
}

function datagramPeers(sockets: readonly Socket[], ours: ReadonlySet<string>): UnixPeers {
  const isOurs = ({ inode }: Socket): boolean => ours.has(inode);
  const nameless = sockets.filter(({ state, name }) => state === connected && name === '');
  const { pairs } = separatePairs(nameless.filter(({ references }) => references > ownReferences));
  const outside = halvesIn(pairs, isOurs);
  // The others have connected to somebody with a name, who is not connected to them.
  const clients = nameless.filter(({ references }) => references === ownReferences);
  const ourClients = clients.filter(isOurs);
  const named = sockets.filter((socket) => socket.name !== '' && isOurs(socket));
  const ourOwn = named.reduce((sum, { references }) => sum + references - ownReferences, 0);
  if (ourOwn === 0) return { outside: [...outside, ...ourClients], unclear: [] };
  // Somebody is connected to the tree, which is clear only when it is the tree itself.
  const isClear = ourClients.length === clients.length && ourOwn >= ourClients.length;
  return { outside, unclear: isClear ? [] : ourClients };
}

/** The ends in the tree of the socketpairs that have the other end outside. */
function halvesIn(
  pairs: readonly (readonly [Socket, Socket])[],
  isOurs: (socket: Socket) => boolean,
): Socket[] {
  return pairs.filter(([a, b]) => isOurs(a) !== isOurs(b)).map(([a, b]) => (isOurs(a) ? a : b));
}

function nameOf({ name }: Socket): string {
  return name;
}

/** The connections to the tree's own listeners that were closed before anybody accepted them. */
export function closedInBacklog(all: readonly Socket[], ours: ReadonlySet<string>): Socket[] {
  const listeners = all.filter(
    ({ inode, state, family }) => family === 'unix' && ours.has(inode) && state === unconnected,
  );
  // One that is still connected has a reference of its other end's.
  return listeners.filter(({ name, type }) =>
    all.some(
      (other) =>
        other.family === 'unix' &&
        other.inode === '0' &&
        other.name === name &&
        other.type === type &&
        other.references <= ownReferences,
    ),
  );
}

/** Takes two sockets without a name whose inodes follow one another for the ends of a socketpair. */
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
