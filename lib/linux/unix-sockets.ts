import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeUnixSocket } from '../native/contract.js';

/** A unix socket, as the kernel tells of it by netlink. */
export interface UnixSocket {
  readonly inode: string;
  readonly type: 'stream' | 'datagram' | 'packets';
  /** `idle` is one without a connection, and one for datagrams that others may send to. */
  readonly state: 'connected' | 'idle' | 'listening' | 'connecting';
  /** The inode of the other end; undefined where that is closed, or nobody has accepted it. */
  readonly peer: string | undefined;
  /** A path, or a name with `@` in front of it; empty without one. */
  readonly name: string;
  /**
   * Of one that listens, the other ends of the connections that nobody has accepted; undefined stands
   * for one that is closed.
   */
  readonly waiting: readonly (string | undefined)[];
  /** Whether it has sent something that the other end has not read. */
  readonly hasUnread: boolean;
  /** Whether it has received something that nobody has read. */
  readonly isUnread: boolean;
  /** Neither end sends any more. */
  readonly isShutDown: boolean;
}

const types = { 1: 'stream', 2: 'datagram', 5: 'packets' } as const;
const states = { 1: 'connected', 7: 'idle', 10: 'listening' } as const;
const bothWays = 3;

/**
 * Reads the unix sockets in the network namespace of a process.
 *
 * @returns undefined where it may not be entered, or without the native addon.
 */
export async function readUnixSockets(pid: number): Promise<readonly UnixSocket[] | undefined> {
  try {
    return (await nativeAddon().unixSockets(pid))?.map(toSocket);
  } catch (error) {
    if (error instanceof CriuError) return undefined;
    throw error;
  }
}

function toSocket(socket: NativeUnixSocket): UnixSocket {
  const { inode, type, state, peer, name, ends, unread, unsent, shutdown } = socket;
  return {
    inode: String(inode),
    type: types[type as keyof typeof types] ?? 'datagram',
    state: states[state as keyof typeof states] ?? 'connecting',
    peer: inodeOf(peer),
    // The kernel counts the NUL at the end of a path.
    name: name.startsWith('\0') ? `@${name.slice(1)}` : name.replace(/\0$/, ''),
    waiting: ends.map(inodeOf),
    hasUnread: unsent > 0,
    isUnread: unread > 0,
    isShutDown: shutdown === bothWays,
  };
}

function inodeOf(number: number): string | undefined {
  return number === 0 ? undefined : String(number);
}
