import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';

/** Of what the netlink and packet sockets of a network namespace are members, by their inodes. */
export interface Memberships {
  readonly netlink: ReadonlyMap<string, NetlinkSocket>;
  /** How many times a packet socket has asked for each of its addresses. */
  readonly packet: ReadonlyMap<string, readonly number[]>;
}

/** The address and the groups of a netlink socket. */
export interface NetlinkSocket {
  /** 0 where it has none. */
  readonly port: number;
  /** A bit for each group that it is in, 32 in a number; empty where it never was in one. */
  readonly groups: readonly number[];
}

/**
 * Reads the memberships of the sockets in the network namespace of a process.
 *
 * @returns undefined where it may not be entered, or without the native addon.
 */
export async function readMemberships(pid: number): Promise<Memberships | undefined> {
  try {
    const found = await nativeAddon().memberships(pid);
    if (found === undefined) return undefined;
    return {
      netlink: new Map(found.netlink.map((socket) => [String(socket.inode), socket])),
      packet: new Map(found.packet.map(({ inode, counts }) => [String(inode), counts])),
    };
  } catch (error) {
    if (error instanceof CriuError) return undefined;
    throw error;
  }
}
